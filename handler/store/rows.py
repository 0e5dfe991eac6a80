"""Arrays on disk whose rows are read in any order, as they are trained on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from handler.store.arrays import dtype_of
from handler.store.chunks import Chunks


class Rows:
    """One array that `write_array` or `Chunks.append` wrote, of which only the rows asked for are read.

    Args:
        path: its directory.
        about: what `describe` said of it; `xxh3` too where it is known.

    Attributes:
        shape, dtype: of the array.
        xxh3: the digest of its bytes, or None.
        looked_at: whether its values were looked at when it was written.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.shape, self.dtype = tuple(about["shape"]), dtype_of(about["dtype"])
        self.xxh3: str | None = about.get("xxh3")
        self.looked_at = bool(about.get("looked_at"))
        self._chunks = Chunks.open(path)

    @property
    def nbytes(self) -> int:
        """Bytes of all of it."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def oindex(self) -> Rows:
        """Itself: indices are of rows alone."""
        return self

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        wanted = np.asarray(rows)
        return self._chunks.take(wanted).view(self.dtype).reshape(len(wanted), *self.shape[1:])
