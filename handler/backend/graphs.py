"""The graphs of traced functions: their operations, and what TensorFlow's registries know of them."""

import contextlib
from collections.abc import Iterator
from typing import Any


def written_resources(graph: Any) -> Iterator[Any]:
    """Yield the handles of the variables that the operations of a graph write."""
    from tensorflow.python.framework.auto_control_deps_utils import get_read_write_resource_inputs

    for operation in graph.get_operations():
        yield from get_read_write_resource_inputs(operation)[1]


def inner_graphs(graph: Any) -> list[Any]:
    """Return the graphs of the functions that a graph calls directly (loops, branches)."""
    return [function.graph for function in graph._functions.values() if hasattr(function, "graph")]


# See docs/decisions/0031-unregister-gradients-of-traced-steps.md.
def forget_gradients(graph: Any) -> None:
    """Remove from TensorFlow's registry the gradients that `tf.custom_gradient` registered for a traced step.

    Each entry would stay for the life of the process and keep the graph (tens of MB). Nothing differentiates a step.
    The entries of functions nested in it stay, because another step may call them.
    """
    from tensorflow.python.framework import ops

    for operation in graph.get_operations():
        if operation.type == "IdentityN":
            with contextlib.suppress(ValueError):  # it has no custom gradient
                name = operation.get_attr("_gradient_op_type").decode()
                ops.gradient_registry._registry.pop(name, None)


def is_stateful(kind: str) -> bool:
    """Return whether a kind of operation has state, or is unknown."""
    from tensorflow.python.framework import op_def_registry

    about = op_def_registry.get(kind)
    return about is None or bool(about.is_stateful)
