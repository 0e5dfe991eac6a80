"""Small options of `training`: the activation cache, snapshots, values that are not finite."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from handler.validation.models import Count, Flag, Size, SpecModel


class ActivationCacheOptions(SpecModel):
    """The options of the activation cache, which stores the activations of the frozen layers at the network's input."""

    model_config = ConfigDict(title="Frozen prefix")
    mode: Literal["auto", "on", "off"] = Field(
        default="auto", title="Mode", description="auto: where it saves time; on: wherever it is possible; off: never."
    )
    max_bytes: Size = Field(
        default=1 << 32, title="Most bytes", description="The most bytes of all activations in the store."
    )
    lambdas: Flag = Field(
        default=False, title="Lambdas", description="Treat Lambda layers as pure functions of their input."
    )


def activation_cache_mapping(value: Any) -> Any:
    """Convert a mode alone to a mapping. YAML reads `on` and `off` as true and false."""
    if isinstance(value, bool):
        value = "on" if value else "off"
    return {"mode": value} if isinstance(value, str) else value


class SnapshotOptions(SpecModel):
    """The interval of snapshots, which limits the work a kill can lose: an epoch, or fewer steps if set."""

    model_config = ConfigDict(title="Snapshots")
    steps: Count | None = Field(
        default=None,
        title="Steps",
        description="Steps between two snapshots inside an epoch; left out: snapshots after each epoch only.",
    )


# A loss, metric or weight that becomes NaN or infinite ends the training, or is reported and the training continues.
# The choice does not affect a finite state, so it is not part of the key.
NonFinite = Literal["stop", "continue"]
