"""A network as plain data: which part hands which tensor to which, what may be computed once, and where that ends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """One call of a layer or an operation, nested models taken apart.

    Attributes:
        name: the path of the layer, or the operation's name.
        inputs, outputs: numbers of the tensors it takes and gives.
        flops: about what it computes for one example, forward.
        trains: it has weights that move unless a mask or the user freezes the layer.
        obstacle: why what it gives can't be kept, even frozen; "" where it can.
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
        sizes: bytes of each tensor for one example, None where it isn't known.
        inputs, outputs: numbers of the network's own tensors.
        problem: why no prefix of the network can be kept at all; "" where one may.
    """

    parts: tuple[Part, ...] = ()
    sizes: tuple[int | None, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """The graph as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Graph:
        """The graph that `to_json` wrote."""
        parts = (Part(**{**p, "inputs": tuple(p["inputs"]), "outputs": tuple(p["outputs"])}) for p in data["parts"])
        tensors = {name: tuple(data[name]) for name in ("sizes", "inputs", "outputs")}
        return cls(parts=tuple(parts), **tensors, problem=data["problem"])


@dataclass(frozen=True)
class Cut:
    """Where a network is cut under a mask.

    Attributes:
        parts: the numbers of the parts before the cut, in order.
        tensors: the numbers of the tensors that cross it, in order.
        flops: what the parts before it compute for one example, forward.
        share: that beside the whole network, 0 to 1.
        size: bytes that cross it for one example.
        why: why there is none; "" where there is one.
    """

    parts: tuple[int, ...] = ()
    tensors: tuple[int, ...] = ()
    flops: int = 0
    share: float = 0.0
    size: int = 0
    why: str = ""


def cut(graph: Graph, frozen: Collection[str]) -> Cut:
    """The furthest cut of a network under a mask.

    Args:
        graph: the network.
        frozen: paths of the layers that rest.
    """
    if graph.problem:
        return Cut(why=graph.problem)
    known, before, first = set(graph.inputs), list[int](), ""
    for number, part in enumerate(graph.parts):
        moves = part.trains and part.name not in frozen
        if moves or part.obstacle or not known.issuperset(part.inputs):
            reason = "trains" if moves else part.obstacle
            first = first or (f"{part.name} {reason}" if reason else "")
            continue
        before.append(number)
        known.update(part.outputs)
    flops, whole = sum(graph.parts[n].flops for n in before), sum(part.flops for part in graph.parts)
    after = [part for number, part in enumerate(graph.parts) if number not in set(before)]
    if not any(part.trains and part.name not in frozen for part in after):
        return Cut(why="nothing trains")
    if not flops:
        return Cut(why=first or "nothing is computed before what trains")
    wanted = {tensor for part in after for tensor in part.inputs}.union(graph.outputs)
    tensors = tuple(sorted(known & wanted))
    sizes = [graph.sizes[tensor] for tensor in tensors]
    if None in sizes:
        return Cut(why="the activations at its end are of no fixed size")
    return Cut(tuple(before), tensors, flops, flops / whole, sum(size or 0 for size in sizes))
