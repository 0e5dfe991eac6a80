"""Batches as tensors, prefetched before the step that uses them."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PREFETCHED_BATCHES = 3


def tensors(batch: Any) -> Any:
    """Return a batch of arrays as tensors, with floats in `keras.config.floatx()`, as `fit` does.

    Args:
        batch: (x,), (x, y) or (x, y, weights), or x alone; tensors stay as they are, and a None is left out.
    """
    floats = keras.config.floatx()

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, tf.Tensor):
            return leaf
        array = np.asarray(leaf)
        return tf.convert_to_tensor(array.astype(floats, copy=False) if array.dtype.kind == "f" else array)

    batch = tuple(batch) if isinstance(batch, (list, tuple)) else (batch,)
    return tf.nest.map_structure(convert, tuple(part for part in batch if part is not None))


def signature(batch: Any) -> Any:
    """Return the structure of a batch with its first axis open, so that a smaller last batch needs no second trace."""
    return tf.nest.map_structure(lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), batch)


def prefetch(sequencer: Any, first: int, count: int) -> Generator[tuple[int, Any]]:
    """Yield `(index, batch as tensors)` for the batches `[first, count)`; one thread prefetches a few of them.

    Args:
        sequencer: returns batch i for `[i]`.
        first: the first batch.
        count: the batch to stop before.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting: deque[tuple[int, Future[Any]]] = deque()
        indices = iter(range(first, count))

        def fetch() -> None:
            index = next(indices, None)
            if index is not None:
                waiting.append((index, pool.submit(lambda: tensors(sequencer[index]))))

        try:
            for _ in range(PREFETCHED_BATCHES):
                fetch()
            while waiting:
                index, batch = waiting.popleft()
                fetch()
                yield index, batch.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
