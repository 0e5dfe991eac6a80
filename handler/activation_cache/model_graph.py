"""The decomposition of a Keras model, with nested models, into a `Graph` and the calls of its parts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from handler.activation_cache.graph import Graph, GraphNode
from handler.backend.layers import all_layers, has_losses, has_seed_generators
from handler.backend.symbolic import Functional, KerasTensor, functional, nodes, operation_fn, standardize_dtype
from handler.freezing.model_outline import layers_with_weights

_PREPARE = (keras.layers.Normalization, keras.layers.CategoryEncoding, keras.layers.Discretization)


@dataclass(frozen=True)
class Call:
    """One call of a layer or an operation.

    Attributes:
        operation: the layer or the operation.
        arguments: its symbolic arguments.
        numbers: the number of the tensor for each symbolic tensor, by the symbolic tensor's id.
    """

    operation: Any
    arguments: Any
    numbers: dict[int, int]  # id of a symbolic tensor -> number of the tensor it stands for here

    def run(self, tensors: dict[int, Any], training: bool) -> list[Any]:
        """Return the outputs as a flat list.

        Args:
            tensors: the tensors by number.
            training: the `training` argument of the call.
        """
        known = {name: tensors[number] for name, number in self.numbers.items() if number in tensors}
        args, kwargs = self.arguments.fill_in(known)
        return keras.tree.flatten(operation_fn(self.operation, training=training)(*args, **kwargs))


class FlatModel:
    """A model, decomposed.

    Args:
        model: a built Keras model.
        lambdas: treat `Lambda` layers as pure functions.
        flags: the user's `trainable` flag of a layer, by the layer's id; None for the model's present flags.

    Attributes:
        graph: the parts as plain data, or a graph with a problem if the model cannot be decomposed.
        calls: the calls of the parts, in the same order.
    """

    def __init__(self, model: Any, lambdas: bool = False, flags: dict[int, bool] | None = None) -> None:
        self.calls: list[Call] = []
        self._parts: list[GraphNode] = []
        self._sizes: list[int | None] = []
        self._paths = {id(layer): path for path, layer in layers_with_weights(model).items()}
        self._lambdas, self._flags = lambdas, flags or {}
        problem = _problem(model)
        if problem:
            self.graph = Graph(problem=problem)
            return
        inside = functional(model)
        inputs = [self._new(tensor) for tensor in inside.inputs]
        outputs = self._take_apart(inside, inputs, "")
        self.graph = Graph(tuple(self._parts), tuple(self._sizes), tuple(inputs), tuple(outputs))

    def run(self, parts: Sequence[int], tensors: dict[int, Any], wanted: Sequence[int]) -> list[Any]:
        """Compute parts as a training step does, and return the wanted tensors.

        Args:
            parts: the numbers of the parts, in order.
            tensors: the known tensors by number; the computed ones are added.
            wanted: the numbers of the tensors to return.
        """
        for number in parts:
            outputs = self.calls[number].run(tensors, training=True)
            tensors.update(zip(self.graph.parts[number].outputs, outputs, strict=True))
        return [tensors[number] for number in wanted]

    def _take_apart(self, model: Any, given: list[int], prefix: str) -> list[int]:
        """Append the parts of a functional model called on numbered tensors, and return the numbers of its outputs."""
        numbers = {id(tensor): number for tensor, number in zip(model.inputs, given, strict=True)}
        for node in nodes(model):
            if not node.operation or node.is_input:
                continue
            taken = [numbers[id(tensor)] for tensor in node.input_tensors]
            name = f"{prefix}{node.operation.name}"
            inner = _inside(node)
            if inner is not None:
                outputs = self._take_apart(inner, taken, f"{name}/")
            else:
                outputs = [self._new(tensor) for tensor in node.outputs]
                self._append(node, name, taken, outputs, numbers)
            numbers.update((id(tensor), number) for tensor, number in zip(node.outputs, outputs, strict=True))
        return [numbers[id(tensor)] for tensor in model.outputs]

    def _append(self, node: Any, name: str, taken: list[int], outputs: list[int], numbers: dict[int, int]) -> None:
        own = {id(tensor): numbers[id(tensor)] for tensor in node.input_tensors}
        self.calls.append(Call(node.operation, node.arguments, own))
        operation = node.operation
        self._parts.append(
            GraphNode(
                self._paths.get(id(operation), name),
                tuple(taken),
                tuple(outputs),
                flops(node),
                isinstance(operation, keras.layers.Layer) and self._trains(operation),
                uncacheable_reason(operation, self._lambdas) if isinstance(operation, keras.layers.Layer) else "",
            )
        )

    def _trains(self, layer: Any) -> bool:
        """Return whether a layer has values that change unless it is frozen: weights or statistics."""
        own = (part for part in all_layers(layer) if not isinstance(part, _PREPARE))
        # guard: prefix-without-moving-statistics
        return any(self._flags.get(id(part), part.trainable) and part.weights for part in own)

    def _new(self, tensor: KerasTensor) -> int:
        dims = tensor.shape[1:]
        item = standardize_dtype(tensor.dtype)
        size = {"bfloat16": 2, "bool": 1}.get(item) or np.dtype(item).itemsize
        self._sizes.append(None if None in dims or not tensor.shape else size * math.prod(dims))
        return len(self._sizes) - 1


def _problem(model: Any) -> str:
    """Return why no part of a model can be computed once, as far as the model itself is concerned; "" if it can."""
    if type(model) not in (keras.Model, Functional, keras.Sequential) or functional(model) is None:
        return "only functional and Sequential models can be split, not subclasses of keras.Model"
    if {"train_step", "call", "compute_loss"} & vars(model).keys():
        return "the network defines its own train_step, call or compute_loss"
    return "the network runs eagerly" if model.run_eagerly else ""


def _inside(node: Any) -> Any:
    """Return the functional model that a node calls on tensors like its own inputs, or None for any other node."""
    inner = functional(node.operation) if type(node.operation) in (keras.Model, Functional, keras.Sequential) else None
    if inner is None:
        return None
    given, wanted = keras.tree.flatten(node.arguments.args), inner.inputs
    if any(isinstance(value, KerasTensor) for value in keras.tree.flatten(node.arguments.kwargs)):
        return None
    same = len(given) == len(wanted) and all(
        isinstance(g, KerasTensor) and g.dtype == w.dtype and len(g.shape) == len(w.shape)
        for g, w in zip(given, wanted, strict=True)
    )
    return inner if same else None


def uncacheable_reason(layer: Any, lambdas: bool = False) -> str:
    """Return why the outputs of a frozen layer cannot be stored, or "" if they can.

    Args:
        layer: the layer.
        lambdas: treat `Lambda` layers as pure functions.
    """
    checks: dict[str, Callable[[Any], Any]] = {
        "draws random numbers": has_seed_generators,  # guard: prefix-without-random-numbers
        "divides its kernel by its norm": lambda part: isinstance(part, keras.layers.SpectralNormalization),
        # guard: prefix-without-losses
        "adds to the loss": lambda part: getattr(part, "activity_regularizer", None) is not None or has_losses(part),
        "passes a mask on": lambda part: isinstance(part, keras.layers.Masking) or getattr(part, "mask_zero", False),
        "uses a lookup table": lambda part: isinstance(part, keras.layers.StringLookup | keras.layers.IntegerLookup),
        "keeps state from batch to batch": lambda part: getattr(part, "stateful", False) is True,
        "is a Lambda (allow it with prefix_cache.lambdas)": lambda part: (
            isinstance(part, keras.layers.Lambda) and not lambdas
        ),
    }
    reasons = (text for text, check in checks.items() for part in all_layers(layer) if check(part))
    return next(reasons, "")


def flops(node: Any) -> int:
    """Return the approximate number of operations of a call for one example.

    It counts two for each weight and position of a kernel, and two for each output value.
    """
    outputs = sum(math.prod(d or 1 for d in tensor.shape[1:]) for tensor in node.outputs)
    looks_up = isinstance(node.operation, keras.layers.Embedding)
    weights = () if looks_up else getattr(node.operation, "weights", ())
    shape = node.outputs[0].shape[1:] if node.outputs else ()
    places = math.prod(d or 1 for d in shape[:-1])
    if isinstance(node.operation, keras.layers.RNN) and node.input_tensors:
        places = node.input_tensors[0].shape[1] or 1
    return 2 * outputs + sum(2 * math.prod(w.shape) * places for w in weights if len(w.shape) > 1)
