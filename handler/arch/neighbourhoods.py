"""Keras layers that read index tables: gathering of points, and the maximum over neighbourhoods."""

from typing import Any

import keras
from keras import ops


def _rows(values: Any, table: Any) -> Any:
    """Return the rows of `values` (B, N, C) at a table (B, ...) of indices into N.

    It is one flat gather over the flattened batch, because its gradient is one flat segment sum. On a CPU this is
    faster than the gradient of a batched gather.
    """
    batch, points, channels = ops.shape(values)[0], ops.shape(values)[1], values.shape[-1]
    start = ops.reshape(ops.arange(batch, dtype="int32") * points, (-1,) + (1,) * (len(table.shape) - 1))
    return ops.take(ops.reshape(values, (-1, channels)), ops.cast(table, "int32") + start, axis=0)


@keras.saving.register_keras_serializable(package="frostline")
class GatherPoints(keras.layers.Layer):
    """A layer that gathers the points of a table: [values (B, N, C), table (B, M) int] -> (B, M, C)."""

    def call(self, inputs: list[Any]) -> Any:
        """Return the rows of the values at the table's indices."""
        return _rows(*inputs)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the table's shape with the values' channels."""
        return (*input_shape[1], input_shape[0][-1])


@keras.saving.register_keras_serializable(package="frostline")
class NeighbourhoodMax(keras.layers.Layer):
    """A layer that takes the maximum over each neighbourhood: [values (B, N, C), table (B, M, k) int] -> (B, M, C)."""

    def call(self, inputs: list[Any]) -> Any:
        """Return the maximum over the rows at the table's indices, per channel."""
        return ops.max(_rows(*inputs), axis=2)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Return the table's shape without its last axis, with the values' channels."""
        return (*input_shape[1][:-1], input_shape[0][-1])
