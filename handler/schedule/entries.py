"""Freeze-training entries as a user writes them: checked for form, not yet against a network or a number of epochs."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from handler.errors import ScheduleError
from handler.errors.quoting import quote
from handler.schedule.strategies import FixedStrategy, Strategy, strategy_mapping
from handler.validation.models import Rate, SpecModel, spec_error

Layers = Literal["all", "all_reverse"] | list[str | list[str]]
FIELD = "freeze_training"


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
        BeforeValidator(strategy_mapping, json_schema_input_type=Literal["fixed"] | Strategy),
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
