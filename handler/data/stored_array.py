"""An array of a .zarr group that is read by slices; a damaged chunk raises a one-sentence error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DataError


class StoredArray:
    """A zarr array.

    Args:
        array: the zarr array.
        name: its name in the group.
        path: the group's folder.
        where: the field that named the group, for messages.
    """

    def __init__(self, array: Any, name: str, path: Path, where: str) -> None:
        self._array, self._rows = array, array
        self._name, self._path, self._where = name, path, where
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype = array.dtype
        self.chunks: tuple[int, ...] = array.chunks
        self.nbytes: int = array.nbytes
        self.ndim: int = array.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return the values of a slice.

        Raises:
            DataError: a chunk is damaged.
        """
        try:
            return np.asarray(self._rows[key])
        except Exception as error:  # each codec raises its own exceptions  # guard: damaged-zarr-chunk
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(
                self._where, f"{self._name} of {self._path} can't be read ({said}); give a whole zarr group"
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self[...]
        return values if dtype is None else values.astype(dtype)

    @property
    def oindex(self) -> StoredArray:
        """Return a view of the array that takes row indices in any order."""
        by_rows = StoredArray(self._array, self._name, self._path, self._where)
        by_rows._rows = self._array.oindex
        return by_rows
