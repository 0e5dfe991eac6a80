"""Construction of the Keras objects that a specification names: `adam`, `{name: adam, ...}` or `module:Class`."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from handler.errors import SpecError
from handler.errors.quoting import join, quote
from handler.spec.keras_objects import LOSS, METRIC, OPTIMIZER, RATE_SCHEDULE, KerasKind
from handler.user_code.boundary import call
from handler.user_code.importer import resolve_function
from handler.user_code.modules import is_reference
from handler.user_code.tracebacks import describe_error

# Kind -> its class, and the function that makes an object of it from a name or a configuration.
_KERAS: dict[str, tuple[type, Callable[[Any], Any]]] = {
    OPTIMIZER.what: (keras.optimizers.Optimizer, keras.optimizers.get),
    RATE_SCHEDULE.what: (keras.optimizers.schedules.LearningRateSchedule, keras.optimizers.schedules.deserialize),
    LOSS.what: (keras.losses.Loss, keras.losses.get),
    METRIC.what: (keras.metrics.Metric, keras.metrics.get),
}


def keras_object(kind: KerasKind, value: Any, folder: Path, path: str) -> Any:
    """Return the Keras object that a specification names.

    Args:
        kind: `OPTIMIZER`, `LOSS`, `METRIC` or `RATE_SCHEDULE` of `handler.spec.keras_objects`.
        value: a name, or a mapping with `name` and arguments, as `TrainingSpec` holds it.
        folder: the specification's folder, from which the user's own classes and functions are imported.
        path: the field that holds the value.

    Returns:
        The object. A loss or metric function of the user is returned as it is. A metric that is only a name stays a
        name, so that Keras chooses the kind of accuracy that fits the loss.

    Raises:
        SpecError: Keras refuses the value, or the user's class gives an object of another kind.
        UserCodeError: the user's class or function failed.
    """
    name, arguments = (
        (value, {}) if isinstance(value, str) else (value["name"], {k: v for k, v in value.items() if k != "name"})
    )
    if kind is METRIC and not arguments and not is_reference(name):
        return name
    rate = arguments.get("learning_rate")
    if isinstance(rate, dict) or is_reference(rate):
        arguments["learning_rate"] = keras_object(RATE_SCHEDULE, rate, folder, join(path, "learning_rate"))
    if is_reference(name):
        return _own(kind, name, arguments, folder, path)
    try:
        return _KERAS[kind.what][1]({"class_name": name, "config": arguments} if arguments else name)
    except Exception as error:  # no user code runs here
        raise SpecError(path, f"Keras refuses {quote(value)}: {describe_error(error)}") from error


def _own(kind: KerasKind, reference: str, arguments: dict[str, Any], folder: Path, path: str) -> Any:
    function = resolve_function(reference, folder, path)
    if kind in (LOSS, METRIC) and not inspect.isclass(function):
        if arguments:
            what = f"{reference!r} is a function, which takes no arguments here; write a class that stores them"
            raise SpecError(path, what)
        return function
    made = call(function, reference, arguments, folder, path)
    if not isinstance(made, str | _KERAS[kind.what][0]) and not (kind is not OPTIMIZER and callable(made)):
        raise SpecError(path, f"{reference} gives {type(made).__name__}; give a Keras {kind.what}")
    return made
