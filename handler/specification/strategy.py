"""How `training.strategy` is written: a word, or a mapping."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from handler.specification.refusals import Count, Given


class Strategy(Given):
    """How each batch is spread over devices."""

    model_config = ConfigDict(title="Devices")
    name: Literal["mirrored"] = Field(
        title="Name", description="mirrored: each device has the whole network and takes a part of each batch."
    )
    devices: Annotated[Count, Field(ge=2, le=64)] | None = Field(
        default=None,
        title="Devices",
        description="How many; left out: all GPUs. Where there are fewer GPUs, the processor is taken as so many.",
    )


def as_mapping(value: Any) -> Any:
    """A name alone as the mapping it stands for."""
    return {"name": value} if isinstance(value, str) else value
