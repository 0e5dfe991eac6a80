"""Architecture of any Keras model."""

from collections.abc import Callable
from typing import Any

import keras

from handler.arch.architecture import Architecture
from handler.errors import SpecError


class KerasArchitecture(Architecture):
    """A `keras.Model`, or a function that builds one.

    Args:
        model: the model, which is trained in place, or a function without arguments that returns it.

    Raises:
        SpecError: the argument is neither.

    Example:
        >>> import keras
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> KerasArchitecture(network).build() is network
        True
    """

    def __init__(self, model: keras.Model | Callable[[], keras.Model]) -> None:
        super().__init__()
        if not callable(model):
            raise SpecError(
                "model", f"must be a keras.Model or a function that returns one, not {type(model).__name__}"
            )
        self._make = model
        self.nn = model if isinstance(model, keras.Model) else None

    def network(self) -> keras.Model:
        """Call the function and return its model.

        Raises:
            SpecError: the function returned another object.
        """
        model = self._make()
        if not isinstance(model, keras.Model):
            raise SpecError("model", f"the function returned {type(model).__name__}; it must return a keras.Model")
        return model

    def get_config(self) -> dict[str, Any]:
        """Return the model's class and, if it has one, its configuration."""
        try:
            config = self.build().get_config()
        except NotImplementedError:
            config = {}
        return {"class": type(self.nn).__name__, "config": config}
