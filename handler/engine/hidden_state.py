"""Detection of state that a training step changes and that no saved state would contain.

Such a network is refused, because a resumed training would be wrong.
"""

from typing import Any

from handler.backend import derived_state, python_functions
from handler.backend.devices import replica_variables
from handler.backend.global_state import global_generator
from handler.backend.graphs import inner_graphs
from handler.errors import SpecError

# TensorFlow's own random operations, whose counters are in kernels or in variables that Keras does not track.
RANDOM = ("Random", "TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial", "Stateful", "RngReadAndSkip")


def refuse_hidden_state(model: Any, graph: Any) -> None:
    """Raise `SpecError` if a traced step uses state that a saved state would not contain.

    Args:
        model: the compiled model to which the step belongs.
        graph: the graph of the step.

    Raises:
        SpecError: the step draws from TensorFlow's own random state, calls a Python function that draws random numbers,
            or uses a variable that Keras does not track; names it and a remedy.
    """
    for operation in _operations(graph):
        if operation.op_def.is_stateful and operation.type.startswith(RANDOM):  # guard: tensorflow-random-state
            raise SpecError(
                "model",
                f"{operation.name} draws from TensorFlow's own random state, which can't be saved, so a training could "
                "not resume exactly; draw with keras.random and a keras.random.SeedGenerator kept by the layer",
            )
        if operation.type in python_functions.OPERATIONS:
            source = python_functions.drawn_from(python_functions.find_function(operation))
            if source is not None:  # guard: python-function-draws
                raise SpecError(
                    "model",
                    f"{operation.name} calls a Python function that draws from {source}, which no state holds, so a "
                    "training could not resume exactly; draw with keras.random and a keras.random.SeedGenerator kept "
                    "by the layer",
                )
    keras_own = (*model.variables, *model.optimizer.variables, *model.metrics_variables, global_generator().state)
    known = {id(part) for variable in keras_own for part in replica_variables(variable)}
    for variable in graph.variables:
        if id(variable) not in known:  # guard: variable-unknown-to-keras
            raise SpecError(
                "model",
                f"the tf.Variable {variable.name!r} is unknown to Keras, so no state would contain it; create "
                "it with the layer's add_weight(), or make it a constant if it never changes",
            )


def refuse_derived_from_training(model: Any) -> None:
    """Raise `SpecError` if a layer uses a value that it derived from weights which have changed since.

    A resumed training would derive the value from the weights of its state, and an uninterrupted one from the initial
    weights.
    """
    changed = derived_state.refresh(model)
    if changed:
        raise SpecError(
            "model",
            f"the layer {changed[0]!r} uses a result of its finalize_state() that is computed from weights which have "
            "changed since, so a training could not be resumed exactly; compute it from the weights in call()",
        )


def _operations(graph: Any) -> list[Any]:
    """Return the operations of a graph and of the functions that it calls (loops, branches)."""
    operations, waiting, seen = [], [graph], set()
    while waiting:
        present = waiting.pop()
        if id(present) in seen:
            continue
        seen.add(id(present))
        operations += present.get_operations()
        waiting += inner_graphs(present)
    return operations
