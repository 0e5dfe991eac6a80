"""The entry of a plan for a segment's frozen prefix. Needs no TensorFlow."""

from collections.abc import Collection

from handler.activation_cache.cost import reason_not_used
from handler.activation_cache.graph import Graph, find_boundary
from handler.records import PlannedPrefix
from handler.spec.training_spec import TrainingSpec


def plan_prefix(
    graph: Graph, spec: TrainingSpec, frozen: Collection[str], epochs: int, *, rows: int | None, augmented: bool
) -> PlannedPrefix:
    """Return the entry of a plan for a segment's prefix: whether it will be used, as far as known before the segment.

    Args:
        graph: the network.
        spec: the specification.
        frozen: the paths of the layers that are frozen in the segment.
        epochs: the number of its epochs that are left.
        rows: the number of examples, or None if it is not yet known.
        augmented: whether examples are augmented anew in each epoch.
    """
    place, options = find_boundary(graph, frozen), spec.training.prefix_cache
    why = reason_not_used(place, options.mode, epochs, rows=rows, limit=options.max_bytes)
    if spec.training.strategy is not None:
        why = "batches are distributed over several devices"
    if spec.training.in_place:
        why = "X is rearranged in place"
    if augmented:
        why = "the examples are augmented in each epoch"
    # A forward pass is about a third of a step, and frozen layers have no backward pass.
    saves = place.share / (3 - 2 * place.share)
    return PlannedPrefix(
        used=not why,
        why=why,
        share=round(place.share, 4),
        saves=round(saves, 4),
        bytes_per_example=place.size,
        bytes=None if rows is None else place.size * rows,
    )
