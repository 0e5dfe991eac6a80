"""Symbolic tensors, and the graphs of functional models."""

from collections.abc import Iterator
from typing import Any

import keras
from keras.src.backend import KerasTensor as KerasTensor
from keras.src.backend import compute_output_spec as compute_output_spec
from keras.src.backend import get_keras_mask as get_keras_mask
from keras.src.backend import standardize_dtype as standardize_dtype
from keras.src.models.functional import Functional as Functional
from keras.src.models.functional import operation_fn as operation_fn


def functional(model: Any) -> Any:
    """Return the functional model that a model is or contains, or None for another kind of model."""
    if isinstance(model, keras.Sequential):
        return model._functional if model.built else None
    return model if isinstance(model, Functional) else None


def nodes(model: Any) -> Iterator[Any]:
    """Yield the nodes of a functional model (the calls of its layers and operations), inputs first."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def output_structure(model: Any) -> Any:
    """Return the structure of a functional model's outputs."""
    return model._outputs_struct
