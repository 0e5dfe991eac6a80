"""Where the callbacks of a specification write: below the run's folder, whatever their names are formatted to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from handler.specification.written_names import WRITTEN, check_written, place


def placed(made_by: Callable[..., Any], arguments: Mapping[str, Any], folder: Path, path: str) -> dict[str, Any]:
    """The arguments of a callback, the name of what it writes replaced by the path of a file in the run's folder.

    Args:
        made_by: the callback's class, Keras's or the user's own; a function's arguments stay as they are.
        arguments: what it is called with.
        folder: the run's folder.
        path: the callback's field, for messages.

    Raises:
        SpecError: the name leads out of the folder, or to one of the run's own files.
    """
    kind = _kind(made_by)
    if kind is None:
        return dict(arguments)
    argument = WRITTEN[kind]
    found = dict(arguments)
    if made_by is keras.callbacks.TensorBoard:
        found.setdefault(argument, "logs")  # Keras's own default is a folder of the process's working directory
    check_written(kind, found, path)
    if argument in found:
        target = place(folder, found[argument], f"{path}.{argument}")
        if kind == "CSVLogger":
            target.parent.mkdir(parents=True, exist_ok=True)
        found[argument] = str(target)
    return found


def watch_names(callback: Any, name: str | None, folder: Path, path: str) -> None:
    """Lets a `ModelCheckpoint` look at each name that it formats, before it writes there.

    Args:
        callback: any callback.
        name: the name that the specification gives, with its fields.
        folder: the run's folder.
        path: the callback's field, for messages.
    """
    if not isinstance(callback, keras.callbacks.ModelCheckpoint) or name is None:
        return
    made = callback._get_file_path

    def checked(*arguments: Any, **named: Any) -> str:
        whole, callback.filepath = callback.filepath, name  # only the name has fields, whatever the folder is called
        try:
            return str(place(folder, made(*arguments, **named), f"{path}.filepath"))
        finally:
            callback.filepath = whole

    callback._get_file_path = checked


def _kind(made_by: Callable[..., Any]) -> str | None:
    """The class of Keras's that writes files, which a class is or derives from."""
    if not inspect.isclass(made_by):
        return None
    return next((kind for kind in WRITTEN if issubclass(made_by, getattr(keras.callbacks, kind))), None)
