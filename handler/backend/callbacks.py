"""The parts of Keras's callbacks that have no public name."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras.src.utils.python_utils import is_default as is_default


def has_saved_model(checkpoint: Any) -> bool:
    """Return whether a file exists that a `ModelCheckpoint` would have written."""
    path = str(Path(checkpoint.filepath).absolute())
    return bool(checkpoint._get_most_recently_modified_file_matching_pattern(path))


def path_function(checkpoint: Any) -> Callable[..., str]:
    """Return the function with which a `ModelCheckpoint` formats the path of a file."""
    function: Callable[..., str] = checkpoint._get_file_path
    return function


def set_path_function(checkpoint: Any, function: Callable[..., str]) -> None:
    """Set the function with which a `ModelCheckpoint` formats the path of a file."""
    checkpoint._get_file_path = function


def event_writers(tensorboard: Any) -> list[Any]:
    """Return the open event writers of a `TensorBoard`."""
    return list(tensorboard._writers.values())


def event_writer(tensorboard: Any, *, validation: bool) -> Any:
    """Return the event writer of a `TensorBoard` for the training or the validation, opened if necessary."""
    return tensorboard._val_writer if validation else tensorboard._train_writer


def event_folders(tensorboard: Any) -> tuple[Path, Path]:
    """Return the folders of the event files of a `TensorBoard`: training, validation."""
    return Path(tensorboard._train_dir), Path(tensorboard._val_dir)


def close_event_writers(tensorboard: Any) -> None:
    """Close the event writers of a `TensorBoard`, so that it opens new files."""
    while tensorboard._prev_summary_state:  # left by a failed attempt in this process
        with contextlib.suppress(Exception):
            tensorboard._pop_writer()
    for writer in tensorboard._writers.values():
        writer.close()
    tensorboard._writers = {}


def set_batch_count(tensorboard: Any, batches: int) -> None:
    """Set the number of batches that a `TensorBoard` has counted."""
    tensorboard._global_train_batch = batches
