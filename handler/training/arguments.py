"""Checks the arguments of the public classes, and refuses unusable ones in one sentence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from handler.data.arrays import check_pair
from handler.engine.batch_check import check_batches
from handler.engine.trainer import Trainer
from handler.errors import DataError, SpecError
from handler.observer import Observer
from handler.store.store import Store
from handler.validation.arguments import check_kinds, check_whole, describe_value

WRAP_MODEL = "DLModelHandler(KerasArchitecture(model), training_epochs=10, batch_size=32)"


def check_model_handler(mh: Any) -> None:
    """Raise `SpecError` for an object that lacks an attribute of a model handler; it says how to make one."""
    if isinstance(mh, keras.Model):
        raise SpecError("mh", f"a keras.Model must be wrapped: {WRAP_MODEL}")
    if hasattr(mh, "network") and hasattr(mh, "structure_for"):
        raise SpecError("mh", "an Architecture must be wrapped: DLModelHandler(arch, training_epochs=10)")
    needed = ("arch", "compiled", "compile", "training_epochs", "batch_size", "build_callbacks", "build_sequencer")
    missing = [name for name in needed if not hasattr(mh, name)]
    if isinstance(mh, type) or missing:
        lacks = "" if isinstance(mh, type) else f", which has no {missing[0]!r}"
        raise SpecError("mh", f"must be a DLModelHandler, not {describe_value(mh)}{lacks}; make one with {WRAP_MODEL}")
    check_whole(mh.training_epochs, "training_epochs", "epochs")


def check_architecture(arch: Any) -> None:
    """Raise `SpecError` for an object that lacks `build` or `is_built`; it says how to make an architecture."""
    if isinstance(arch, keras.Model):
        raise SpecError("arch", "a keras.Model must be wrapped: KerasArchitecture(model)")
    if isinstance(arch, type):
        raise SpecError("arch", f"must be an Architecture, not {describe_value(arch)}; make one: {arch.__name__}(...)")
    if not (hasattr(arch, "build") and hasattr(arch, "is_built")):
        wrap = f"KerasArchitecture({'function' if callable(arch) else 'model'})"
        raise SpecError("arch", f"must be an Architecture, not {describe_value(arch)}; wrap the network: {wrap}")


def check_data(X: Any, y: Any, names: tuple[str, str] = ("X", "y_rf")) -> None:
    """Raise `DataError` for data that are no numeric arrays, or whose parts don't fit each other.

    Args:
        X: array or list of arrays, first axis = examples.
        y: array of targets.
        names: the names of the two in messages.
    """
    check_kinds(X, y, names)
    check_pair(X, y, " and ".join(names), "the data")


def check_callbacks(callbacks: Any) -> None:
    """Raise `SpecError` for a value that is no list of Keras callbacks."""
    if isinstance(callbacks, keras.callbacks.Callback):
        raise SpecError("callbacks", f"must be a list; give [{type(callbacks).__name__}(...)]")
    if not isinstance(callbacks, list | tuple):
        raise SpecError("callbacks", f"must be a list of Keras callbacks, or None, not {describe_value(callbacks)}")
    for i, callback in enumerate(callbacks):
        if not isinstance(callback, keras.callbacks.Callback):
            made = f"; make one: {callback.__name__}()" if isinstance(callback, type) else ""
            raise SpecError(
                f"callbacks[{i}]", f"must be a keras.callbacks.Callback, not {describe_value(callback)}{made}"
            )


def check_store(store: Any) -> None:
    """Raise `SpecError` for a value that is neither a store, a path, a URL nor None."""
    if not isinstance(store, Store | str | Path | None) or store == "":
        raise SpecError("store", f"must be a folder's path, a URL, a Store or None, not {describe_value(store)}")


def check_observers(observers: Any) -> None:
    """Raise `SpecError` for a value that is no sequence of observers."""
    if isinstance(observers, Observer):
        raise SpecError("observers", f"must be a list; give [{type(observers).__name__}(...)]")
    if not isinstance(observers, Sequence) or isinstance(observers, str):
        raise SpecError("observers", f"must be a list of Observers, not {describe_value(observers)}")
    for i, observer in enumerate(observers):
        if not hasattr(observer, "on_epoch") or isinstance(observer, type):
            raise SpecError(f"observers[{i}]", f"must be an Observer, not {describe_value(observer)}")


def check_validation(given: Any) -> None:
    """Raise `DataError` for validation data that are no pair of arrays."""
    if given is None:
        return
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise DataError("validation_data", f"must be (X, y), not {describe_value(given)}")
    check_data(given[0], given[1], ("validation_data[0]", "validation_data[1]"))


def check_callable_or_callbacks(callbacks: Any) -> None:
    """Raise `SpecError` for a value that is neither a list of callbacks nor a function."""
    if isinstance(callbacks, keras.callbacks.Callback | type) or not callable(callbacks):
        check_callbacks(callbacks)


def check_data_of_trainer(trainer: Trainer) -> None:
    """Raise `DataError` or `SpecError`, with the training handler's argument, for batches that no step could take."""
    try:
        check_batches(trainer.model, trainer.sequencer, "X and y_rf")
        check_batches(trainer.model, trainer.validation, "validation_data", "_val")
    except SpecError as error:
        path = error.path.removeprefix("model.compile.").removeprefix("data.args.")
        raise type(error)(path, error.message) from error
