"""Keras objects as a specification names them: `adam`, `{name: adam, learning_rate: 0.001}` or `module:Class`.

Names and arguments are checked against `keras_names`, so that a misspelt one is refused without importing Keras.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import join, quote, suggestion
from handler.spec import keras_names
from handler.user_code.modules import is_reference
from handler.validation.models import GREATEST, LEAST
from handler.validation.plain_data import check_plain_data


@dataclass(frozen=True)
class KerasKind:
    """A kind of Keras object.

    Attributes:
        what: its name in messages.
        table: class name -> its arguments; arguments without a default carry a `*`.
        names: further names that are accepted without arguments.
        common: arguments that all classes take.
    """

    what: str
    table: Mapping[str, str]
    names: Iterable[str] = ()
    common: tuple[str, ...] = ()

    def arguments(self, name: str) -> tuple[list[str], list[str]]:
        """Return all arguments of a class, and those without a default.

        `name` is left out: here that key gives the class.
        """
        words = [*self.table[name].split(), *self.common]
        return [word.lstrip("*") for word in words if word != "name"], [word[1:] for word in words if word[0] == "*"]


OPTIMIZER = KerasKind("optimizer", keras_names.OPTIMIZERS, common=keras_names.OPTIMIZER_ARGUMENTS)
RATE_SCHEDULE = KerasKind("learning-rate schedule", keras_names.RATE_SCHEDULES)
LOSS = KerasKind("loss", keras_names.LOSSES, keras_names.LOSS_NAMES)
METRIC = KerasKind("metric", keras_names.METRICS, (*keras_names.METRIC_NAMES, "acc"))
CALLBACK = KerasKind("callback", keras_names.CALLBACKS)


def check_named(kind: KerasKind, value: Any) -> str | dict[str, Any]:
    """Check a name, or a mapping with `name` and arguments, and return it in its shortest equivalent form.

    Args:
        kind: the kind of object.
        value: the value in the specification.

    Raises:
        SpecError: a name or argument is unknown, or an argument is missing; its path is relative to the value.
    """
    if isinstance(value, str):
        name, arguments = value, {}
    elif isinstance(value, Mapping) and isinstance(value.get("name"), str):
        name, arguments = value["name"], {key: part for key, part in value.items() if key != "name"}
    else:
        raise SpecError(
            "", f"must be the name of a Keras {kind.what}, {{name: ..., arguments}} or module:Class, not {quote(value)}"
        )
    check_plain_data(arguments)
    path = "" if isinstance(value, str) else "name"
    if kind is OPTIMIZER and not is_reference(name):
        name = name.lower()  # as Keras does
    if not is_reference(name):
        check_name(kind, name, path)
        check_arguments(kind, name, arguments)
        check_numbers(arguments)
    return {"name": name, **arguments} if arguments else name


def check_name(kind: KerasKind, name: str, path: str = "") -> None:
    """Raise `SpecError` for a name that Keras does not know.

    Args:
        kind: the kind of object.
        name: the name.
        path: the path of the name, for messages.
    """
    known = [*kind.table, *kind.names]
    if name not in known:
        raise SpecError(path, f"unknown {kind.what} {name!r}; {suggestion(name, known)} (your own: module:Class)")


def check_arguments(kind: KerasKind, name: str, arguments: Mapping[str, Any]) -> None:
    """Raise `SpecError` for an argument that a class does not take, or that is missing.

    Args:
        kind: the kind of object.
        name: the name of the class.
        arguments: its arguments.
    """
    owner = METRIC_CLASSES.get(name, name) if kind is METRIC else name
    if owner not in kind.table:
        if arguments:
            close = METRIC_CLASSES.get(name, name)
            instead = f"use {close}" if close in kind.table else suggestion(name.replace("_", ""), kind.table)
            raise SpecError("name", f"{name!r} takes no arguments; {instead}")
        return
    known, needed = kind.arguments(owner)
    for argument in arguments:
        if argument not in known:
            raise SpecError(str(argument), f"unknown argument of {name}; {suggestion(argument, known)}")
    missing = [argument for argument in needed if argument not in arguments]
    if missing:
        example = ", ".join(f"{argument}: ..." for argument in missing)
        raise SpecError("", f"{name} needs {' and '.join(missing)}; write {{name: {owner}, {example}}}")


METRIC_CLASSES = keras_names.METRIC_NAMES


def check_rate(value: Any) -> None:
    """Raise `SpecError` for a learning rate that is neither a positive finite number nor a schedule of Keras."""
    if isinstance(value, Mapping) or is_reference(value):
        try:
            check_named(RATE_SCHEDULE, value)
        except SpecError as error:
            raise SpecError(join("learning_rate", error.path), error.message) from error
    elif not is_number(value) or value <= 0:
        raise SpecError(
            "learning_rate", f"must be a positive finite number or a schedule {{name: ...}}, not {quote(value)}"
        )
    elif not LEAST <= value <= GREATEST:
        raise SpecError("learning_rate", f"must be from {LEAST} to {GREATEST}, as a float32 can be, not {quote(value)}")


def check_numbers(value: Any, path: str = "") -> None:
    """Raise `SpecError` for a number in the arguments of Keras's objects that is infinite as a float32."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            check_numbers(part, join(path, str(key)))
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            check_numbers(part, f"{path}[{i}]")
    elif isinstance(value, int | float) and abs(value) > (2**63 - 1 if isinstance(value, int) else GREATEST):
        raise SpecError(path, f"{quote(value)} is too large for Keras; give a smaller number")


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number and not a bool."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def metric_label(metric: str | Mapping[str, Any]) -> str | None:
    """Return the name of a metric in the history; None for a metric of the user, which chooses its own name."""
    if isinstance(metric, str):
        return None if is_reference(metric) else metric
    name = metric["name"]
    if is_reference(name):
        return None
    name = METRIC_CLASSES.get(name, name)
    if name in _OWN_LABELS:
        return _OWN_LABELS[name]
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


_OWN_LABELS = {"FBetaScore": "fbeta_score", "LogCoshError": "logcosh"}


def schema(*examples: str) -> dict[str, Any]:
    """Return the JSON schema of such an object, for a form."""
    return {
        "anyOf": [
            {"type": "string", "title": "Name", "examples": list(examples)},
            {
                "type": "object",
                "title": "Name and arguments",
                "properties": {"name": {"type": "string", "title": "Name", "examples": list(examples)}},
                "required": ["name"],
                "additionalProperties": True,
            },
        ]
    }
