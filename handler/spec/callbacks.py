"""Callbacks of a specification: names, arguments, callbacks that cannot be used, and the metrics that they monitor."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from handler.errors import SpecError
from handler.errors.quoting import quote, suggestion
from handler.errors.secrets import secret_header
from handler.spec.callback_files import check_fields, check_written
from handler.spec.callback_rules import RULES, CallbackRule
from handler.spec.keras_objects import CALLBACK, check_arguments, check_name, check_numbers, is_number
from handler.user_code.modules import is_reference
from handler.validation.models import SpecModel
from handler.validation.plain_data import check_plain_data


class CallbackSpec(SpecModel):
    """A callback: its name, and its arguments as further keys.

    Example:
        >>> CallbackSpec(name="EarlyStopping", patience=3).arguments()
        {'patience': 3}
    """

    model_config = ConfigDict(title="Callback", extra="allow")
    name: str = Field(
        title="Name",
        description="A Keras callback, or your own as module:Class; its arguments are the other keys.",
        examples=["EarlyStopping", "ReduceLROnPlateau", "CSVLogger", "mymodule:MyCallback"],
    )

    @model_validator(mode="after")
    def _refuse_what_keras_does_not_know(self) -> Self:
        arguments = self.arguments()
        check_plain_data(arguments)
        if is_reference(self.name):
            return self
        if self.rule.refused:
            raise SpecError("name", f"{self.name} can't be used here: {self.rule.refused}")
        check_name(CALLBACK, self.name, "name")
        check_arguments(CALLBACK, self.name, arguments)
        check_numbers(arguments)
        _check_values(self.name, arguments)
        check_written(self.name, arguments)
        return self

    @property
    def rule(self) -> CallbackRule:
        """Return the rules for the callback; the defaults, with an unknown state, if it is the user's own."""
        return RULES.get(self.name, CallbackRule(None))

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of the callback's class."""
        return dict(self.model_extra or {})

    def monitor(self) -> str | None:
        """Return the name that the callback monitors in an epoch's logs, including Keras's default, or None."""
        given = self.arguments()
        by_default = self.name in ("EarlyStopping", "ReduceLROnPlateau") or bool(given.get("save_best_only"))
        return given.get("monitor", "val_loss" if by_default else None)


_EPOCHS = (
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31,
    "a whole number of epochs, at least 0",
)
_NUMBER = (lambda value: value is None or is_number(value), "a number")
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "monitor": (lambda value: isinstance(value, str), "the name of a loss or metric"),
    **dict.fromkeys(("patience", "cooldown", "start_from_epoch"), _EPOCHS),
    **dict.fromkeys(("min_delta", "baseline", "min_lr", "initial_value_threshold"), _NUMBER),
    "mode": (("auto", "min", "max").__contains__, "'auto', 'min' or 'max'"),
    "factor": (lambda value: is_number(value) and 0 < value < 1, "between 0 and 1"),
}


def _check_values(name: str, arguments: dict[str, Any]) -> None:
    for key, (fits, kind) in _VALUES.items():
        if key in arguments and not fits(arguments[key]):
            raise SpecError(key, f"must be {kind}, not {quote(arguments[key])}")
    if name == "ModelCheckpoint" and arguments.get("save_best_only") and arguments.get("save_freq", "epoch") != "epoch":
        raise SpecError(
            "save_freq",
            f"must be 'epoch' with save_best_only, not {quote(arguments['save_freq'])}: Keras can't compare before the "
            "first epoch's end",
        )
    if name == "RemoteMonitor" and (header := secret_header(arguments.get("headers"))) is not None:
        raise SpecError(
            f"headers.{header}",
            "carries a secret, which the store and the report would contain; name a callback of your own, "
            "module:Class, that reads it from the environment",
        )
    if name == "LearningRateScheduler" and not is_reference(arguments["schedule"]):
        raise SpecError(
            "schedule", f"must be a function of (epoch, rate) as module:function, not {quote(arguments['schedule'])}"
        )


def check_packages(callbacks: Sequence[CallbackSpec]) -> None:
    """Raise `SpecError` for a callback that needs a package which isn't installed."""
    for i, callback in enumerate(callbacks):
        package = callback.rule.package
        if package and find_spec(package) is None:
            raise SpecError(
                f"training.callbacks[{i}].name",
                f"{callback.name} needs the package {package!r}, which isn't installed; pip install {package}",
            )


def check_monitors(
    callbacks: Sequence[CallbackSpec], *, logs: tuple[set[str], bool], learning_rate_schedule: bool
) -> None:
    """Raise `SpecError` for callbacks that need metrics which will not exist, or that conflict with a rate schedule.

    Args:
        callbacks: the specification's callbacks.
        logs: the names in an epoch's logs, and whether the set is complete.
        learning_rate_schedule: whether the optimizer has a learning-rate schedule, so that no callback can set the
            rate.
    """
    known, complete = logs
    for i, callback in enumerate(callbacks):
        path, arguments = f"training.callbacks[{i}]", callback.arguments()
        if callback.rule.sets_rate and learning_rate_schedule:
            raise SpecError(
                f"{path}.name",
                f"{callback.name} can't set the rate: model.compile.optimizer has a learning-rate schedule; "
                "leave one of them out",
            )
        if callback.name == "ModelCheckpoint" and complete:
            check_fields(arguments["filepath"], f"{path}.filepath", _fields(arguments, known))
        watched = callback.monitor()
        if watched is None or watched in known or (not complete and _may_be_own(watched, known)):
            continue
        default = "" if "monitor" in arguments else " (the default)"
        why = (
            "there is no validation data"
            if str(watched).startswith("val_") and "val_loss" not in known
            else "it will not exist"
        )
        raise SpecError(
            f"{path}.monitor",
            f"{watched!r}{default} can't be watched, {why}; {suggestion(watched, sorted(known), 'there will be')}",
        )


def _fields(arguments: dict[str, Any], known: set[str]) -> set[str]:
    """Return the names with which a checkpoint's file name can be formatted.

    Within an epoch there are no validation metrics; at the end of an epoch there is no batch.
    """
    if arguments.get("save_freq", "epoch") == "epoch":
        return {"epoch", *known}
    return {"epoch", "batch", *(name for name in known if not name.startswith("val_"))}


def _may_be_own(watched: Any, known: set[str]) -> bool:
    return isinstance(watched, str) and (not watched.startswith("val_") or "val_loss" in known)
