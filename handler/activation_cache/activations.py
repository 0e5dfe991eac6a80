"""The activations at a prefix boundary, computed once, batch by batch, and written to disk or kept in memory."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from handler.engine import batches
from handler.store.arrays import as_bytes, describe
from handler.store.raw_zarr import Chunks
from handler.store.row_array import Rows

CHUNK_BYTES = 1 << 22
PARALLEL_BATCHES = 2  # batches at a time, because the operations on one batch seldom use all cores


class Examples:
    """The activations at a prefix boundary of all examples of a sequencer, in their original order.

    They are computed in batches of the training's size, because they may be batch-dependent.

    Args:
        sequencer: a `DLSequencer` that is not in place.
        function: computes the tensors that cross the boundary from a list of input tensors.
    """

    def __init__(self, sequencer: Any, function: Any) -> None:
        self.sequencer, self.function = sequencer, function
        self.rows, self.batch = sequencer.rows, min(sequencer.batch_size, sequencer.rows)

    def compute_rows(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the activations of the examples with the given row numbers, computed as one batch."""
        (given,) = batches.tensors((self.sequencer.examples(rows),))
        return [tensor.numpy() for tensor in self.function(*given)]

    # See docs/decisions/0039-batch-dependence-is-tested.md.
    def is_batch_invariant(self) -> bool:
        """Return whether an example's activations are bit-identical in any batch of an epoch and at any position in it.

        This is tested on a few batches, among them ones of the size of a smaller last batch.
        """
        first = np.arange(self.batch)
        whole, left = self.compute_rows(first), self.rows % self.batch
        if any(len(part) != self.batch for part in whole) or left == 1:
            return False  # a single example is multiplied by other code than several
        others = np.arange(self.rows - self.batch, self.rows)
        mixed = np.where(first % 2 == 0, np.roll(first, self.batch // 2), others)
        taken = [(np.roll(first, 1), first), (np.roll(first, self.batch // 2 + 1), first), (mixed, first)]
        taken += [(first[i : i + left], first) for i in range(0, self.batch - left + 1, left or 1)][:4] if left else []
        return all(_are_equal(self.compute_rows(rows), whole, rows, known) for rows, known in taken)

    def __iter__(self) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Yield `(row, activations from that row on)` until all rows are covered.

        The last batch is also computed at full size: it starts with rows of the batch before, which are not yielded
        again.
        """
        firsts = [min(start, self.rows - self.batch) for start in range(0, self.rows, self.batch)]
        with ThreadPoolExecutor(PARALLEL_BATCHES, thread_name_prefix="prefix") as pool:
            made = [pool.submit(self._from, first) for first in firsts[:PARALLEL_BATCHES]]
            try:
                for number, first in enumerate(firsts):
                    start, parts = number * self.batch, made.pop(0).result()
                    if number + PARALLEL_BATCHES < len(firsts):
                        made.append(pool.submit(self._from, firsts[number + PARALLEL_BATCHES]))
                    yield start, [part[start - first :] for part in parts]
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _from(self, first: int) -> list[np.ndarray]:
        """Return the activations of the batch of consecutive rows that begins with `first`."""
        return self.compute_rows(np.arange(first, first + self.batch))


def _are_equal(batch: Sequence[np.ndarray], whole: Sequence[np.ndarray], rows: np.ndarray, known: np.ndarray) -> bool:
    """Return whether rows are bit-identical to their values in another batch, as far as that batch contains them.

    Args:
        batch: the activations of `rows`.
        whole: the activations of `known`.
        rows, known: row numbers.
    """
    place = {int(row): i for i, row in enumerate(known)}
    shared = [(i, place[int(row)]) for i, row in enumerate(rows) if int(row) in place]
    return all(
        len(part) == len(rows) and all(part[i].tobytes() == other[j].tobytes() for i, j in shared)
        for part, other in zip(batch, whole, strict=True)
    )


def write(
    folder: Path, examples: Examples, after: Callable[[int], None]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Write the activations of all examples, one array for each tensor, in chunks along the first axis.

    Args:
        folder: an existing directory.
        examples: the examples.
        after: called after each batch with the number of examples done.

    Returns:
        The `about` argument of `Rows` for each array, and the digests of the files; see `Chunks.digests`.
    """
    arrays: list[Chunks] = []
    about: list[dict[str, Any]] = []
    for start, parts in examples:
        if not arrays:
            about = [describe(part) | {"shape": [examples.rows, *part.shape[1:]]} for part in parts]
            arrays = [
                Chunks.create(folder / f"{i:03d}", (examples.rows, part[0].nbytes), CHUNK_BYTES)
                for i, part in enumerate(parts)
            ]
        for array, part in zip(arrays, parts, strict=True):
            array.append(as_bytes(part))
        after(start + len(parts[0]))
    return about, {file: digest for array in arrays for file, digest in array.digests.items()}


def kept_in_memory(parts: Sequence[Rows], limit: int) -> list[Any]:
    """Return the arrays in memory if all of them together take at most `limit` bytes, else as they are."""
    return [part[:] for part in parts] if sum(part.nbytes for part in parts) <= limit else list(parts)


def gather(examples: Examples, after: Callable[[int], None]) -> list[np.ndarray]:
    """Return the activations of all examples in memory.

    Args:
        examples: the examples.
        after: called after each batch with the number of examples done.
    """
    arrays: list[np.ndarray] = []
    for start, parts in examples:
        if not arrays:
            arrays = [np.empty((examples.rows, *part.shape[1:]), part.dtype) for part in parts]
        for array, part in zip(arrays, parts, strict=True):
            array[start : start + len(part)] = part
        after(start + len(parts[0]))
    return arrays


def graph_digest(function: Any) -> bytes:
    """Return a traced function's computation as bytes, equal in every process and independent of layer names.

    Keras numbers the unnamed layers of a process, so a network that is built a second time has other names. Functions
    within the graph (a recurrent layer's loop) keep their names, which TensorFlow numbers too; a graph with such
    functions therefore differs.
    """
    graph = function.graph.as_graph_def()
    places = {node.name: str(place) for place, node in enumerate(graph.node)}
    for node in graph.node:
        node.name = places[node.name]
        for i, given in enumerate(node.input):  # "name", "name:output" or "^name"
            node.input[i] = re.sub(r"[^:^]+", lambda name: places[name[0]], given, count=1)
        node.attr.pop("_class", None)  # the name of a node on the same device
        node.ClearField("experimental_debug_info")
    return bytes(graph.SerializeToString(deterministic=True))


def list_captured_values(function: Any) -> list[np.ndarray]:
    """Return the values that a traced function captures, in the order of its graph."""
    variables = {id(variable.handle): variable for variable in function.graph.variables}
    return [np.asarray(tf.convert_to_tensor(variables.get(id(given), given))) for given in function.captured_inputs]
