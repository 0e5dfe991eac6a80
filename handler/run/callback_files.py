"""The output files of a specification's callbacks: below the run's directory, whatever their formatted names are."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from handler.backend.callbacks import path_function, set_path_function
from handler.spec.callback_files import check_written, resolve_output_file
from handler.spec.callback_rules import WRITERS


def place_output_files(
    made_by: Callable[..., Any], arguments: Mapping[str, Any], folder: Path, path: str
) -> dict[str, Any]:
    """Return the arguments of a callback, with its output name replaced by a path in the run's directory.

    Args:
        made_by: the class of the callback, Keras's or the user's own; the arguments of a function are not changed.
        arguments: the arguments for `made_by`.
        folder: the directory of the run.
        path: the callback's field in the specification, for messages.

    Raises:
        SpecError: the name leads out of the directory, or to one of the run's own files.
    """
    kind = _kind(made_by)
    if kind is None:
        return dict(arguments)
    argument = WRITERS[kind]
    placed = dict(arguments)
    if made_by is keras.callbacks.TensorBoard:
        placed.setdefault(argument, "logs")  # Keras's default is relative to the working directory
    check_written(kind, placed, path)
    if argument in placed:
        target = resolve_output_file(folder, placed[argument], f"{path}.{argument}")
        if kind == "CSVLogger":
            target.parent.mkdir(parents=True, exist_ok=True)
        placed[argument] = str(target)
    return placed


def check_formatted_names(callback: Any, name: str | None, folder: Path, path: str) -> None:
    """Make a `ModelCheckpoint` check each name that it formats, before it writes there.

    Args:
        callback: any callback.
        name: the name in the specification, with its fields.
        folder, path: as for `place_output_files`.
    """
    if not isinstance(callback, keras.callbacks.ModelCheckpoint) or name is None:
        return
    made = path_function(callback)

    def checked(*arguments: Any, **named: Any) -> str:
        whole, callback.filepath = callback.filepath, name  # only the name has fields; the directory may contain braces
        try:
            return str(resolve_output_file(folder, made(*arguments, **named), f"{path}.filepath"))
        finally:
            callback.filepath = whole

    set_path_function(callback, checked)  # guard: formatted-name-checked


def _kind(made_by: Callable[..., Any]) -> str | None:
    """Return the name of Keras's file-writing callback class from which a class is derived, or None."""
    if not inspect.isclass(made_by):
        return None
    return next((kind for kind in WRITERS if issubclass(made_by, getattr(keras.callbacks, kind))), None)
