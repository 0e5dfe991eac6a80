"""Build of networks whose input shape is known only from the data: `Sequential` without `Input`, subclassed models."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from handler.errors import SpecError

Input = tuple[Sequence[int | None], str]


def build_from(model: Any, inputs: Sequence[Input], where: str = "model.architecture") -> None:
    """Build a network that is not built yet, as its first batch would; leave a built one unchanged.

    Args:
        model: a `keras.Model`.
        inputs: per input the shape of an example and its dtype.
        where: the path of the field that gives the network, for messages.

    Raises:
        SpecError: the network can't be built from these inputs, or has no weights.
    """
    if not model.built:
        made: list[BaseException] = []
        for example in (_symbols, _zeros):
            try:
                given = [example(shape, dtype) for shape, dtype in inputs]
                model(given if len(given) > 1 else given[0])
                break
            except Exception as error:
                made.append(error)
        else:
            shapes = " and ".join(str(tuple(shape)) for shape, _ in inputs)
            said = str(made[0]).strip().split("\n")[0]
            raise SpecError(
                where,
                f"the network {model.name!r} isn't built, and can't be built for examples of shape {shapes} "
                f"({type(made[0]).__name__}: {said}); give it a keras.Input, or call it once in its function",
            )
    if not model.weights:
        raise SpecError(where, f"the network {model.name!r} has no weights, so there is nothing to train; add layers")


def build_for(model: Any, X: Sequence[Any]) -> None:
    """Build a network that is not built yet from the arrays of X; do nothing if a part of X is not an array."""
    if all(isinstance(getattr(part, "dtype", None), np.dtype) for part in X):
        build_from(model, [(part.shape[1:], part.dtype.name) for part in X], "arch")


def _symbols(shape: Sequence[int | None], dtype: str) -> Any:
    return keras.KerasTensor((None, *shape), keras.config.floatx() if np.dtype(dtype).kind == "f" else dtype)


def _zeros(shape: Sequence[int | None], dtype: str) -> Any:
    """Return a batch of one example of zeros, for a network that can't be called with symbolic inputs."""
    return np.zeros((1, *(size or 1 for size in shape)), dtype)
