"""Finds what a step changes that no state would hold, so that it is refused instead of resumed wrongly."""

from __future__ import annotations

from typing import Any

from keras.src.random.seed_generator import global_seed_generator

from handler.distribution import components
from handler.engine import python_functions
from handler.errors import SpecError
from handler.weights import derived

# TensorFlow's own random operations: their counters live in kernels, or in variables Keras doesn't know.
RANDOM = ("Random", "TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial", "Stateful", "RngReadAndSkip")


def refuse_hidden_state(model: Any, graph: Any) -> None:
    """Looks through a traced step.

    Args:
        model: the compiled model the step belongs to.
        graph: the step's graph.

    Raises:
        SpecError: it draws from TensorFlow's own random state, calls a Python function that draws, or holds a variable
            that isn't one of Keras's; names it and what would do.
    """
    for operation in _operations(graph):
        if operation.op_def.is_stateful and operation.type.startswith(RANDOM):
            raise SpecError(
                "model",
                f"{operation.name} draws from TensorFlow's own random state, which can't be saved, so a training could "
                "not go on exactly; draw with keras.random and a keras.random.SeedGenerator kept by the layer",
            )
        if operation.type in python_functions.OPERATIONS:
            source = python_functions.drawn_from(python_functions.function_of(operation))
            if source is not None:
                raise SpecError(
                    "model",
                    f"{operation.name} calls a Python function that draws from {source}, which no state holds, so a "
                    "training could not go on exactly; draw with keras.random and a keras.random.SeedGenerator kept by "
                    "the layer",
                )
    keras_own = (*model.variables, *model.optimizer.variables, *model.metrics_variables, global_seed_generator().state)
    known = {id(part) for variable in keras_own for part in components(variable)}
    for variable in graph.variables:
        if id(variable) not in known:
            raise SpecError(
                "model",
                f"the tf.Variable {variable.name!r} isn't one of Keras's, so every state would lack it; make "
                "it with the layer's add_weight(), or a constant if it never changes",
            )


def refuse_derived_from_training(model: Any) -> None:
    """Refuses a network that computes with what a layer once derived from weights that have changed since.

    A resumed training would derive it from the weights of its state, and an uninterrupted one from the first ones.

    Raises:
        SpecError: names the layer and what would do.
    """
    changed = derived.refresh(model)
    if changed:
        raise SpecError(
            "model",
            f"the layer {changed[0]!r} computes with what its finalize_state() made of weights that have changed "
            "since, so a training could not be resumed exactly; compute it from the weights in call()",
        )


def _operations(graph: Any) -> list[Any]:
    """The operations of a graph and of the functions it calls (loops, branches)."""
    found, waiting, seen = [], [graph], set()
    while waiting:
        present = waiting.pop()
        if id(present) in seen:
            continue
        seen.add(id(present))
        found += present.get_operations()
        waiting += [function.graph for function in present._functions.values() if hasattr(function, "graph")]
    return found
