"""Model of `training.strategy`: a word or a mapping."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from handler.backend.devices import NOT_DISTRIBUTABLE
from handler.errors import SpecError
from handler.validation.models import Count, SpecModel


class DeviceStrategy(SpecModel):
    """The strategy that distributes each batch over devices."""

    model_config = ConfigDict(title="Devices")
    name: Literal["mirrored"] = Field(
        title="Name", description="mirrored: each device has the whole network and processes a part of each batch."
    )
    devices: Annotated[Count, Field(ge=2, le=64)] | None = Field(
        default=None,
        title="Devices",
        description="Number of devices; left out: all GPUs. With fewer GPUs, the CPU is split into this many.",
    )


def device_strategy_mapping(value: Any) -> Any:
    """Convert a name alone to a mapping."""
    return {"name": value} if isinstance(value, str) else value


def check_device_strategy(
    strategy: DeviceStrategy | None, batch_size: int, optimizer: str | dict[str, Any] | None
) -> None:
    """Raise `SpecError` for a specification that cannot be distributed over devices.

    Args:
        strategy: `training.strategy`, or None.
        batch_size: `training.batch_size`.
        optimizer: `model.compile.optimizer`.
    """
    if strategy is None:
        return
    given = optimizer if isinstance(optimizer, dict) else {"name": optimizer}
    for name in NOT_DISTRIBUTABLE:
        if given.get(name):
            what = f"{name} is not known to be exact on several devices"
            raise SpecError("model.compile.optimizer", f"{what}; leave it out, or leave out training.strategy")
    if batch_size < (strategy.devices or 2):
        what = f"{batch_size} examples can't be distributed over {strategy.devices or 2} devices"
        raise SpecError("training.batch_size", f"{what}; give at least as many")
