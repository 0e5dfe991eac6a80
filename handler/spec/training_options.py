"""Model of `training`: epochs, batch size, snapshots, activation cache, callbacks and the like."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from handler.spec.callbacks import CallbackSpec
from handler.spec.device_strategy import DeviceStrategy
from handler.spec.device_strategy import device_strategy_mapping as as_strategy
from handler.validation.models import Count, Flag, Size, SpecModel


def _mode(value: Any) -> Any:
    """Return the mode for `true` and `false`, as which YAML reads `on` and `off`."""
    return ("on" if value else "off") if isinstance(value, bool) else value


class ActivationCacheOptions(SpecModel):
    """The options of the activation cache, which stores the activations of the frozen layers at the network's input."""

    model_config = ConfigDict(title="Frozen prefix")
    mode: Annotated[Literal["auto", "on", "off"], BeforeValidator(_mode)] = Field(
        default="auto", title="Mode", description="auto: where it saves time; on: wherever it is possible; off: never."
    )
    max_bytes: Size = Field(
        default=1 << 32, title="Most bytes", description="The most bytes of all activations in the store."
    )
    lambdas: Flag = Field(
        default=False, title="Lambdas", description="Treat Lambda layers as pure functions of their input."
    )


def activation_cache_mapping(value: Any) -> Any:
    """Convert a mode alone to a mapping."""
    return {"mode": value} if isinstance(value, str | bool) else value


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


def _callback(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class TrainingOptions(SpecModel):
    """The training options: epochs, batch size, callbacks and the like.

    Example:
        >>> TrainingOptions(epochs=3, prefix_cache="off").prefix_cache.mode
        'off'
    """

    model_config = ConfigDict(title="Training")
    epochs: Annotated[Count, Field(le=100_000)] = Field(
        title="Epochs", description="Number of epochs of the whole training."
    )
    batch_size: Count = Field(default=32, title="Batch size", description="Examples per step.")
    in_place: Flag = Field(
        default=False,
        title="In place",
        description="Rearrange the arrays instead of collecting each batch: contiguous reads, "
        "a bit-identical result; a backup is written and restored.",
    )
    threads: Annotated[Count, Field(le=1024)] | None = Field(
        default=None,
        title="Threads",
        description="Processor threads; left out: one per core, fixed at the first start.",
    )
    snapshot: SnapshotOptions = Field(
        default=SnapshotOptions(), title="Snapshots", description="Snapshots in addition to one after each epoch."
    )
    prefix_cache: Annotated[
        ActivationCacheOptions,
        BeforeValidator(activation_cache_mapping, json_schema_input_type=str | ActivationCacheOptions),
    ] = Field(
        default=ActivationCacheOptions(),
        title="Prefix cache",
        description="Compute and store the activations of a frozen prefix once: auto, on or off.",
    )
    strategy: (
        Annotated[DeviceStrategy, BeforeValidator(as_strategy, json_schema_input_type=str | DeviceStrategy)] | None
    ) = Field(default=None, title="Strategy", description="mirrored: each batch is distributed over several devices.")
    non_finite: NonFinite = Field(
        default="stop", title="Not finite", description="The reaction to a loss that becomes NaN: stop or continue."
    )
    masks_kept: Count = Field(
        default=16, title="Masks kept", description="Number of masks whose traced steps stay in memory."
    )
    callbacks: list[Annotated[CallbackSpec, BeforeValidator(_callback, json_schema_input_type=str | CallbackSpec)]] = (
        Field(default=[], title="Callbacks", description="Keras callbacks, or your own as module:Class.")
    )
