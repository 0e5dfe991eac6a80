"""What a plan says of the frozen prefix of a segment. No TensorFlow."""

from __future__ import annotations

from collections.abc import Collection

from handler.prefix.decision import refusal
from handler.prefix.graph import Graph, cut
from handler.record import PlannedPrefix
from handler.spec import TrainingSpec


def planned(
    graph: Graph, spec: TrainingSpec, frozen: Collection[str], epochs: int, *, rows: int | None, augmented: bool
) -> PlannedPrefix:
    """Whether a segment will train on the activations of its prefix, as far as that is known before it.

    Args:
        graph: the network.
        spec: the specification.
        frozen: paths of the layers that rest in the segment.
        epochs: how many epochs of it are left.
        rows: how many examples there are; None if that isn't known yet.
        augmented: whether examples are varied anew in each epoch.
    """
    place, options = cut(graph, frozen), spec.training.prefix_cache
    why = refusal(place, options.mode, epochs, rows=rows, limit=options.max_bytes)
    if spec.training.strategy is not None:
        why = "batches are spread over devices"
    if spec.training.in_place:
        why = "X is rearranged in place"
    if augmented:
        why = "examples are augmented anew in each epoch"
    # A forward pass is one of three parts of a step; what rests has no backward pass.
    saves = place.share / (3 - 2 * place.share)
    return PlannedPrefix(
        used=not why,
        why=why,
        share=round(place.share, 4),
        saves=round(saves, 4),
        bytes_per_example=place.size,
        bytes=None if rows is None else place.size * rows,
    )
