"""The layers and variables inside a Keras layer or model."""

from typing import Any, Self


class OwnWeight:
    """A weight that a model or a block holds itself, outside its layers; a mask treats it like a layer.

    Args:
        variable: the Keras variable.
    """

    def __init__(self, variable: Any) -> None:
        self.variable, self.name, self.weights = variable, variable.name, [variable]

    @property
    def trainable(self) -> bool:
        """The variable's `trainable` flag."""
        return bool(self.variable.trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.variable.trainable = value

    @property
    def trainable_weights(self) -> list[Any]:
        """The variable in a list, if it is trainable; else []."""
        return [self.variable] if self.trainable else []

    @property
    def _trainable_variables(self) -> list[Any]:
        return self.weights

    def _flatten_layers(self) -> list[Self]:
        return [self]


def all_layers(layer: Any) -> list[Any]:
    """Return a layer or model and every layer inside it, at any depth."""
    return list(layer._flatten_layers())


def inner_layers(layer: Any) -> list[Any]:
    """Return the layers that a layer or model contains directly."""
    return list(layer._flatten_layers(include_self=False, recursive=False))


def own_variables(layer: Any) -> list[Any]:
    """Return the variables that a layer holds itself, without those of its inner layers."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def own_trainable_variables(layer: Any) -> list[Any]:
    """Return the variables that a layer holds itself and that are trained unless the layer is frozen."""
    return list(layer._trainable_variables)


def has_seed_generators(layer: Any) -> bool:
    """Return whether a layer has a seed generator of its own, and so draws random numbers."""
    return bool(layer._seed_generators)


def has_losses(layer: Any) -> bool:
    """Return whether a layer has added to the loss of its last call."""
    return bool(getattr(layer, "_losses", None))


def drop_losses(model: Any) -> None:
    """Drop the losses that the layers of a model added in their last calls."""
    model._clear_losses()
