"""Any Keras model as an architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from handler.arch.architecture import Architecture
from handler.errors import SpecError


class KerasArchitecture(Architecture):
    """A `keras.Model`, or a function that builds one.

    Args:
        model: the model, or a function without arguments that returns it.

    Raises:
        SpecError: it is neither, or the function returns something else.
    """

    def __init__(self, model: keras.Model | Callable[[], keras.Model]) -> None:
        super().__init__()
        if not callable(model):
            raise SpecError(
                "model", f"a keras.Model or a function that returns one is needed, not {type(model).__name__}"
            )
        self._make = model
        self.nn = model if isinstance(model, keras.Model) else None

    def network(self) -> keras.Model:
        """What the function returns."""
        model = self._make()
        if not isinstance(model, keras.Model):
            raise SpecError("model", f"the function returned {type(model).__name__}; it must return a keras.Model")
        return model

    def get_config(self) -> dict[str, Any]:
        """The model's class and its configuration, where it has one."""
        try:
            config = self.build().get_config()
        except NotImplementedError:
            config = {}
        return {"class": type(self.nn).__name__, "config": config}
