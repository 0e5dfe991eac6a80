"""A network as plain data: its parts, the tensors between them, and the place up to which it can be computed once."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class GraphNode:
    """One call of a layer or an operation; nested models are decomposed.

    Attributes:
        name: the path of the layer, or the name of the operation.
        inputs, outputs: the numbers of its input and output tensors.
        flops: its approximate number of operations for one example, forward.
        trains: whether it has weights that change unless the layer is frozen by a mask or by the user.
        obstacle: why its outputs cannot be stored even if it is frozen; "" if they can.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    flops: int = 0
    trains: bool = False
    obstacle: str = ""


@dataclass(frozen=True)
class Graph:
    """The parts of a network in an order in which they can be computed.

    Attributes:
        parts: the parts.
        sizes: the bytes of each tensor for one example, None if unknown.
        inputs, outputs: the numbers of the network's input and output tensors.
        problem: why no prefix of the network can be stored; "" if one may be.
    """

    parts: tuple[GraphNode, ...] = ()
    sizes: tuple[int | None, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the graph as JSON-compatible data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the graph of which `data` is the `to_json`."""
        parts = (GraphNode(**p | {"inputs": tuple(p["inputs"]), "outputs": tuple(p["outputs"])}) for p in data["parts"])
        tensors = {name: tuple(data[name]) for name in ("sizes", "inputs", "outputs")}
        return cls(parts=tuple(parts), **tensors, problem=data["problem"])


@dataclass(frozen=True)
class PrefixBoundary:
    """The boundary of the prefix of a network that can be computed once under a mask.

    Attributes:
        parts: the numbers of the parts before the boundary, in order.
        tensors: the numbers of the tensors that cross it, in order.
        flops: the operations of the parts before it for one example, forward.
        share: the fraction of the network's operations that `flops` is, 0 to 1.
        size: the bytes that cross it for one example.
        why: why there is no boundary; "" if there is one.
    """

    parts: tuple[int, ...] = ()
    tensors: tuple[int, ...] = ()
    flops: int = 0
    share: float = 0.0
    size: int = 0
    why: str = ""


def find_boundary(graph: Graph, frozen: Collection[str]) -> PrefixBoundary:
    """Return the furthest prefix boundary of a network under a mask.

    Args:
        graph: the network.
        frozen: the paths of the frozen layers.
    """
    if graph.problem:
        return PrefixBoundary(why=graph.problem)
    before, known, obstacle = _computed_before(graph, frozen)
    after = [part for number, part in enumerate(graph.parts) if number not in before]
    if not any(_moves(part, frozen) for part in after):
        return PrefixBoundary(why="no layer is trainable")
    flops, whole = sum(graph.parts[n].flops for n in before), sum(part.flops for part in graph.parts)
    if not flops:
        return PrefixBoundary(why=obstacle or "no frozen layer comes before the first trainable one")
    wanted = {tensor for part in after for tensor in part.inputs}.union(graph.outputs)
    tensors = tuple(sorted(known & wanted))
    sizes = [graph.sizes[tensor] for tensor in tensors]
    if None in sizes:
        return PrefixBoundary(why="the activations at its end have no fixed size")
    return PrefixBoundary(tuple(before), tensors, flops, flops / whole, sum(size or 0 for size in sizes))


def _moves(part: GraphNode, frozen: Collection[str]) -> bool:
    return part.trains and part.name not in frozen


def _computed_before(graph: Graph, frozen: Collection[str]) -> tuple[dict[int, None], set[int], str]:
    """Return the parts that can be computed before any trainable one, the known tensors, and the first obstacle."""
    before, known, obstacle = dict[int, None](), set(graph.inputs), ""
    for number, part in enumerate(graph.parts):
        reason = "is trainable" if _moves(part, frozen) else part.obstacle
        if reason:
            obstacle = obstacle or f"{part.name} {reason}"
        elif known.issuperset(part.inputs):
            before[number] = None
            known.update(part.outputs)
    return before, known, obstacle
