"""Keras layers that follow index tables: gathering points, and the maximum over neighbourhoods."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def _rows(values: Any, table: Any) -> Any:
    """Rows of `values` (B, N, C) by a table (B, ...) of indices into N, over the flattened batch.

    One flat gather, because its gradient is one flat segment sum: faster on a CPU than a batched gather's.
    """
    batch, points, channels = ops.shape(values)[0], ops.shape(values)[1], values.shape[-1]
    start = ops.reshape(ops.arange(batch, dtype="int32") * points, (-1,) + (1,) * (len(table.shape) - 1))
    return ops.take(ops.reshape(values, (-1, channels)), ops.cast(table, "int32") + start, axis=0)


@keras.saving.register_keras_serializable(package="frostline")
class GatherPoints(keras.layers.Layer):
    """[values (B, N, C), table (B, M) int] -> (B, M, C): the points a table names."""

    def call(self, inputs: list[Any]) -> Any:
        """The rows of the values, by the table."""
        return _rows(*inputs)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """The table's shape and the values' channels."""
        return (*input_shape[1], input_shape[0][-1])


@keras.saving.register_keras_serializable(package="frostline")
class NeighbourhoodMax(keras.layers.Layer):
    """[values (B, N, C), table (B, M, k) int] -> (B, M, C): the maximum over each neighbourhood."""

    def call(self, inputs: list[Any]) -> Any:
        """The largest of the rows that the table names, per channel."""
        return ops.max(_rows(*inputs), axis=2)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """The table's shape without its neighbourhoods, and the values' channels."""
        return (*input_shape[1][:-1], input_shape[0][-1])
