"""Many steps in one graph call over examples in memory, bit-identical to single steps, without Python in between."""

import time
from typing import Any

import numpy as np
import tensorflow as tf

from handler.engine import batches
from handler.engine.finite_check import select_losses
from handler.freezing.masks import Step
from handler.memory import copy_limit

CHUNK_SECONDS = 1.0
# Initial chunks of one step: the first includes the graph's preparation, the second measures the duration of a step.
WARM_UP_CHUNKS = 2


def in_memory_tensors(sequencer: Any) -> Any | None:
    """Return all examples of a sequencer as tensors, in their original order, in the structure of a batch.

    Args:
        sequencer: a `DLSequencer`, or any other.

    Returns:
        The tensors, or None if the batches are not rows of arrays in memory or need more than an eighth of the
        machine's memory.
    """
    whole = sequencer.whole() if hasattr(sequencer, "whole") else None
    if whole is None or sum(array.nbytes for array in tf.nest.flatten(whole)) > copy_limit():
        return None
    return batches.tensors(whole)


class GraphLoop:
    """A loop over many steps of one traced step function in a graph call, which gathers each batch itself.

    The traced function is called as it is, so nothing is traced again.

    Args:
        step: a `tf.function` with one signature, from a batch to the logs.
        data: the examples, as `in_memory_tensors` returns them.
        batch_size: the number of examples in a batch; the last batch of an epoch may be smaller.
        guarded: record the first step whose loss is not finite.

    Raises:
        TypeError: a value in the step's logs is not a scalar tensor.
    """

    def __init__(self, step: Any, data: Any, batch_size: int, *, guarded: bool = False) -> None:
        logs = step.get_concrete_function().structured_outputs
        if not isinstance(logs, dict) or not all(isinstance(v, tf.Tensor) and v.shape == () for v in logs.values()):
            raise TypeError("a graph loop needs logs that are scalars")
        self.data = data
        self._step, self._batch_size, self._guarded = step, batch_size, guarded
        self._logs = {name: tf.zeros((), value.dtype) for name, value in logs.items()}
        self._done, self._rate = 0, 0.0
        specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, data)
        place = tf.TensorSpec((), tf.int64)
        traced = tf.function(
            self._steps, input_signature=[specs, tf.TensorSpec([None], tf.int64), place, place], autograph=False
        )
        self._function = traced.get_concrete_function()

    def run(self, order: np.ndarray, first: int, last: int) -> tuple[int, Any]:
        """Run steps from `[first, last)`, for about one second.

        Args:
            order: `(examples,)` int64, the order of the examples in this epoch.
            first: the first step.
            last: the step to stop before.

        Returns:
            The step reached, and the logs of the last step done. If `guarded` and a loss was not finite, the number of
            steps up to the first such loss instead, and the logs of a later step, in which it is not finite either.
        """
        began = time.perf_counter()
        end = min(last, first + self._size())
        places = tf.constant(first, tf.int64), tf.constant(end, tf.int64)
        wrong, logs = self._function(self.data, tf.constant(order), *places)
        tf.nest.flatten(logs)[0].numpy()  # wait for the end of the steps
        self._done += 1
        if self._done >= WARM_UP_CHUNKS:
            self._rate = (time.perf_counter() - began) / (end - first)
        return int(wrong) or end, logs

    def _size(self) -> int:
        """Return the number of steps in the next chunk."""
        return 1 if self._done < WARM_UP_CHUNKS else max(1, int(CHUNK_SECONDS / self._rate))

    def _steps(self, data: Any, order: tf.Tensor, first: tf.Tensor, last: tf.Tensor) -> Any:
        rows = tf.shape(order, tf.int64)[0]

        def body(index: tf.Tensor, wrong: tf.Tensor, _: Any) -> tuple[tf.Tensor, tf.Tensor, Any]:
            chosen = order[index * self._batch_size : tf.minimum((index + 1) * self._batch_size, rows)]
            logs = self._step(tf.nest.map_structure(lambda array: tf.gather(array, chosen), data))
            for loss in select_losses(logs).values() if self._guarded else ():
                # Not a loop condition, which would wait for the device in each step.
                wrong = tf.where((wrong > 0) | tf.math.is_finite(loss), wrong, index + 1)
            return index + 1, wrong, logs

        begin = (first, tf.zeros((), tf.int64), self._logs)
        return tf.while_loop(lambda index, *_: index < last, body, begin, parallel_iterations=1)[1:]


def build_graph_loop(step: Step, data: Any, batch_size: int, *, guarded: bool = False) -> GraphLoop | None:
    """Return the loop of a step function, or None if it runs eagerly or its logs are not scalars.

    Args:
        step, data, batch_size, guarded: see `GraphLoop`.
    """
    if not hasattr(step, "get_concrete_function"):
        return None
    try:
        return GraphLoop(step, data, batch_size, guarded=guarded)
    except TypeError:
        return None
