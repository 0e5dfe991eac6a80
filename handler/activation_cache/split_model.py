"""The two parts of a split network: a function up to the boundary, and a training step from the boundary on."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from handler.activation_cache.cost import NotUsed
from handler.activation_cache.graph import PrefixBoundary
from handler.activation_cache.model_graph import FlatModel
from handler.backend.graphs import is_stateful
from handler.backend.layers import drop_losses, has_losses
from handler.backend.symbolic import functional, get_keras_mask, output_structure

# TensorFlow counts operations that read variables or call functions as stateful, although they change nothing.
_HARMLESS = {"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "StatefulPartitionedCall", "While", "If"}


class Within(keras.layers.Layer):
    """A layer that calls a function as a model calls its layers: in training mode, in a name scope, without casts.

    Args:
        function: takes a list of tensors.
    """

    def __init__(self, function: Callable[[list[Any]], Any]) -> None:
        super().__init__(autocast=False, name="within")
        self._function = function

    def call(self, *given: Any, training: bool | None = None) -> Any:
        """Return the result of the function."""
        return self._function(list(given))


# See docs/decisions/0040-network-split-at-trace-time.md.
class SuffixStep:
    """A model's own train step, in which the model is called from the boundary on.

    It takes the place of the model: every attribute except the call is the model's.

    Args:
        model: the model.
        flat: the decomposed model.
        boundary: the boundary.
    """

    def __init__(self, model: Any, flat: FlatModel, boundary: PrefixBoundary) -> None:
        self._model, self._flat, self._boundary = model, flat, boundary
        before = set(boundary.parts)
        self._after = [number for number in range(len(flat.calls)) if number not in before]
        self._rest = Within(self._run)

    def train_step(self, data: Any) -> Any:
        """Run one step on a batch of activations at the boundary, and return the logs."""
        return type(self._model).train_step(self, data)

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """Return the model's output for activations at the boundary."""
        drop_losses(self._model)
        return self._rest(*keras.tree.flatten(x), training=training)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def _run(self, given: list[Any]) -> Any:
        tensors = dict(zip(self._boundary.tensors, given, strict=True))
        outputs = self._flat.run(self._after, tensors, self._flat.graph.outputs)
        packed = keras.tree.pack_sequence_as(output_structure(functional(self._model)), outputs)
        return packed[0] if isinstance(packed, (list, tuple)) and len(packed) == 1 else packed


def prefix_function(model: Any, flat: FlatModel, boundary: PrefixBoundary, batch: Any) -> Any:
    """Return the network up to a boundary as a traced function.

    Args:
        model: the model, with its mask applied.
        flat: the decomposed model.
        boundary: the boundary.
        batch: a list of tensors as the network takes them; the first axis is left open.

    Returns:
        A concrete function from such a list to the list of tensors that cross the boundary.

    Raises:
        NotUsed: the network up to the boundary is not a pure function of its input; names the reason.
    """
    inputs = functional(model).inputs
    if len(batch) != len(inputs) or any(len(t.shape) != len(i.shape) for t, i in zip(batch, inputs, strict=True)):
        raise NotUsed("the arrays of X do not match the network's inputs one to one")

    def run(given: list[Any]) -> list[Any]:
        taken = [keras.ops.convert_to_tensor(t, dtype=i.dtype) for t, i in zip(given, inputs, strict=True)]
        tensors = dict(zip(flat.graph.inputs, taken, strict=True))
        outputs = flat.run(boundary.parts, tensors, boundary.tensors)
        if any(get_keras_mask(tensor) is not None for tensor in outputs):
            raise NotUsed("its activations carry a Keras mask")
        return outputs

    whole = Within(run)
    specs = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in batch]
    traced = tf.function(lambda *given: whole(*given, training=True), input_signature=specs, autograph=False)
    function = traced.get_concrete_function()
    losses = [flat.calls[n].operation for n in boundary.parts if has_losses(flat.calls[n].operation)]
    if losses:
        raise NotUsed(f"{losses[0].name} adds to the loss")
    for kind in sorted(_kinds(function.graph.as_graph_def())):
        if tf.raw_ops.__dict__.get(kind) is None or is_stateful(kind):  # guard: prefix-reads-only
            raise NotUsed(f"it is not a pure function of its input ({kind})")
    return function


def _kinds(graph: Any) -> set[str]:
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    called = {function.signature.name for function in graph.library.function}
    return {node.op for node in nodes} - called - _HARMLESS
