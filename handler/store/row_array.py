"""Arrays on disk whose rows are read in any order during training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from handler.store.arrays import parse_dtype
from handler.store.raw_zarr import Chunks


class Rows:
    """An array that `write_array` or `Chunks.append` wrote, from which only the requested rows are read.

    Args:
        path: the directory of the array.
        about: the array's dtype and shape as `describe` returned them, and its `xxh3` and `looked_at`, if known.

    Attributes:
        shape, dtype: the shape and the dtype of the array.
        xxh3: the digest of its bytes, or None.
        looked_at: whether its values were checked when it was written.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.shape, self.dtype = tuple(about["shape"]), parse_dtype(about["dtype"])
        self.xxh3: str | None = about.get("xxh3")
        self.looked_at = bool(about.get("looked_at"))
        self._chunks = Chunks.open(path)

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def oindex(self) -> Rows:
        """The array itself, since an index selects only rows; it stands in for the `oindex` of zarr arrays."""
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        wanted = np.asarray(rows)
        return self._chunks.take(wanted).view(self.dtype).reshape(len(wanted), *self.shape[1:])
