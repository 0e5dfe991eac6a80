"""The files in which Keras saves a model, and the objects that it saves there."""

from collections.abc import Iterator
from typing import Any

from keras.src.saving.keras_saveable import KerasSaveable as KerasSaveable
from keras.src.saving.saving_lib import H5IOStore as H5IOStore
from keras.src.saving.saving_lib import _walk_saveable
from keras.src.utils import naming


def walk_saveable(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield `(attribute, child)` for each attribute of an object that Keras saves."""
    yield from _walk_saveable(part)


def stored_name(kind: str) -> str:
    """Return the name under which Keras stores an object of a class in a list."""
    name: str = naming.to_snake_case(kind)
    return name
