"""Freeze-training entries as a user writes them: checked for form, not yet against a network or a number of epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from handler.errors import ScheduleError
from handler.errors.quoting import quote
from handler.validation.models import Count, Flag, Rate, Seed, SpecModel, spec_error

Layers = Literal["all", "all_reverse"] | list[str | list[str]]
FIELD = "freeze_training"


class FixedStrategy(SpecModel):
    """One turn: all layer groups are frozen for the whole interval."""

    model_config = ConfigDict(title="fixed")
    name: Literal["fixed"] = "fixed"


class RoundRobinStrategy(SpecModel):
    """The layer groups take turns, in the order in which they are listed."""

    model_config = ConfigDict(title="round_robin")
    name: Literal["round_robin"] = "round_robin"
    period: Annotated[Count, Field(title="Period", description="Number of epochs per turn.")] = 1
    count: Annotated[Count, Field(title="Count", description="Number of layer groups chosen per turn.")] = 1
    invert: Annotated[
        Flag,
        Field(title="Invert", description="The chosen layer groups are trainable and the entry's others frozen."),
    ] = False


class RandomStrategy(RoundRobinStrategy):
    """Each turn chooses layer groups at random; the choice depends on the seed and the number of the turn only."""

    model_config = ConfigDict(title="random")
    name: Literal["random"] = "random"  # type: ignore[assignment]
    seed: Annotated[Seed, Field(title="Seed", description="The seed of the random choices.")] = 0


def _interval(value: Any) -> Any:
    if value is None:
        return value
    if isinstance(value, list | tuple) and len(value) == 2:
        whole = [hasattr(end, "__index__") and not isinstance(end, bool) for end in value]
        if all(whole):
            start, end = (int(part) for part in value)
            if 0 <= start < end:
                return start, end
            raise ScheduleError(
                "", f"[{start}, {end}] is not an interval; epochs count from 0, the end is excluded: 0 <= start < end"
            )
    raise ScheduleError("", f"must be two whole numbers [start, end], not {quote(value)}")


def _layers(value: Any) -> Any:
    if value in ("all", "all_reverse") and isinstance(value, str):
        return value
    if isinstance(value, str):
        raise ScheduleError("", f"must be 'all', 'all_reverse' or a list of layers; for one layer write [{value}]")
    if not isinstance(value, list | tuple):
        raise ScheduleError("", f"must be 'all', 'all_reverse' or a list of layers, not {quote(value)}")
    if not value:
        raise ScheduleError("", "the list is empty; name at least one layer, or leave the entry out")
    return [_unit(i, unit) for i, unit in enumerate(value)]


def _unit(index: int, unit: Any) -> str | list[str]:
    if isinstance(unit, list | tuple):
        if not unit:
            raise ScheduleError(f"[{index}]", "the layer group is empty; name at least one layer")
        return [_name(f"[{index}][{i}]", name) for i, name in enumerate(unit)]
    return _name(f"[{index}]", unit)


def _name(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ScheduleError(path, f"must be a layer's name, a glob, a path or a list of these, not {quote(value)}")
    if not value or value != value.strip() or value.startswith("/") or value.endswith("/"):
        raise ScheduleError(
            path, f"{value!r} can't be a layer's name; write it as in the model, nested ones as model/layer"
        )
    return value


def _except(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ScheduleError("", f"must be a list of names, globs or paths, not {quote(value)}")
    return [_name(f"[{i}]", name) for i, name in enumerate(names)]


def _strategy(value: Any) -> Any:
    """Convert a strategy that is given by its name alone to a mapping."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping) and "name" not in value:
        raise ScheduleError("name", "is missing; it is 'fixed', 'round_robin' or 'random'")
    if not isinstance(value, Mapping | SpecModel):
        raise ScheduleError("", f"must be 'fixed' or a mapping with a name, not {quote(value)}")
    return value


Strategy = Annotated[FixedStrategy | RoundRobinStrategy | RandomStrategy, Field(discriminator="name")]


class Entry(SpecModel):
    """One entry of a freeze-training schedule: which layers are frozen in which epochs.

    Example:
        >>> Entry(training_interval=[2, 8], layers=["enc*", ["head_dense", "head"]]).strategy.name
        'fixed'
    """

    model_config = ConfigDict(title="Freeze-training entry")
    training_interval: Annotated[
        tuple[int, int] | None,
        BeforeValidator(_interval),
        Field(
            title="Epochs",
            description="[start, end): the first epoch and the one after the last, counted from 0. Left out: all.",
            examples=[[2, 8]],
        ),
    ] = None
    layers: Annotated[
        Layers,
        BeforeValidator(_layers, json_schema_input_type=Layers),
        Field(
            title="Layers",
            description="all (input to output), all_reverse, or a list of layer groups: a name, a glob, a path into "
            "nested models (backbone/block1/conv), or a list of these as one group.",
            examples=[["enc*", ["head_dense", "head"]]],
        ),
    ] = "all"
    except_: Annotated[
        list[str],
        BeforeValidator(_except, json_schema_input_type=list[str]),
        Field(alias="except", title="Except", description="Names, globs or paths excluded from the layers."),
    ] = []
    strategy: Annotated[
        Strategy,
        BeforeValidator(_strategy, json_schema_input_type=Literal["fixed"] | Strategy),
        Field(
            title="Strategy",
            description="fixed: all layer groups are frozen; round_robin: in turn; random: some, drawn for each turn.",
        ),
    ] = FixedStrategy()
    initial_learning_rate: Rate | None = Field(
        default=None, title="Learning rate", description="Set at every turn of this entry; left out: unchanged."
    )


def parse_entries(freeze_training: Any, prefix: str = FIELD) -> list[Entry]:
    """Return the entries of a schedule.

    Args:
        freeze_training: None, one entry (a mapping or an `Entry`) or a list of entries.
        prefix: the path of the entries, for messages.

    Raises:
        ScheduleError: an entry is invalid; names its index, the key and the value.
    """
    entries = []
    for i, entry in enumerate(as_list(freeze_training, prefix)):
        try:
            entries.append(entry if isinstance(entry, Entry) else Entry.model_validate(entry))
        except ValidationError as error:
            refused = spec_error(error, f"{prefix}[{i}]", Entry)
            raise ScheduleError(refused.path, refused.message) from error
    return entries


def parse_strategy(value: Any, model: type[RoundRobinStrategy], path: str = "strategy") -> RoundRobinStrategy:
    """Return a strategy of a known kind, from a mapping whose `name` may be left out.

    Args:
        value: the mapping, or an instance of the model.
        model: the model of the strategy.
        path: the path of the value, for messages.

    Raises:
        ScheduleError: a key is unknown or a value is invalid.
    """
    try:
        return value if isinstance(value, model) else model.model_validate(value)
    except ValidationError as error:
        refused = spec_error(error, path, model)
        raise ScheduleError(refused.path, refused.message) from error


def as_list(freeze_training: Any, path: str = "") -> list[Any]:
    """Return a list of entries: an empty one for None, a list of one for a single entry.

    Raises:
        ScheduleError: the value is neither None, an entry nor a list.
    """
    if freeze_training is None:
        return []
    if isinstance(freeze_training, Mapping | Entry):
        return [freeze_training]
    if isinstance(freeze_training, list | tuple):
        return list(freeze_training)
    raise ScheduleError(path, f"must be null, one entry or a list of entries, not {quote(freeze_training)}")
