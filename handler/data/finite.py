"""Values that are NaN or infinite in examples and targets: counted slab by slab, while digests are taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from handler.errors import DataError
from handler.store.arrays import slabs


class FiniteCheck:
    """Counts the values of one array that are not finite.

    Args:
        name: what the array is called in the message, such as `X[1]` or `y of data.npz`.
        where: the path of what gives it, such as `data.source`.
    """

    def __init__(self, name: str, where: str) -> None:
        self.name, self.where = name, where
        self.count, self.row = 0, 0

    def look(self, start: int, part: np.ndarray) -> None:
        """Looks at the rows from `start` on; whole numbers are finite."""
        if not part.size or not _has_not_finite(part.dtype):
            return
        finite = np.isfinite(part)
        if not finite.all():
            if not self.count:
                self.row = start + int(np.argmin(finite.reshape(len(part), -1).all(axis=1)))
            self.count += int(finite.size - np.count_nonzero(finite))

    def require(self) -> None:
        """Refuses the array if a value was not finite.

        Raises:
            DataError: names the array, how many values, and the first row that has one.
        """
        if self.count:
            raise DataError(
                self.where,
                f"{self.name} has {self.count} values that are not finite (NaN or infinite), the first in row "
                f"{self.row}; replace them by numbers, or leave these rows out",
            )


def check_finite(array: Any, name: str, where: str) -> None:
    """Refuses an array with values that are NaN or infinite.

    Args:
        array: gives slices along its first axis.
        name, where: see `FiniteCheck`.

    Raises:
        DataError: see `FiniteCheck.require`.
    """
    check = FiniteCheck(name, where)
    if _has_not_finite(np.dtype(array.dtype)):
        for start, end in slabs(array):
            check.look(start, np.asarray(array[start:end]))
    check.require()


def check_arrays(X: Any, y: Any, validation: tuple[Any, Any] | None) -> None:
    """Refuses examples or targets with values that are NaN or infinite; what is no array isn't looked at.

    Raises:
        DataError: see `FiniteCheck.require`.
    """
    for suffix, given in (("", (X, y)), ("_val", validation or ())):
        for letter, part in zip("Xy", given, strict=False):
            arrays = part if isinstance(part, list | tuple) else [part]
            for i, array in enumerate(arrays):
                if isinstance(getattr(array, "dtype", None), np.dtype):
                    check_finite(array, f"{letter}{i if len(arrays) > 1 else ''}{suffix}", "")


def _has_not_finite(dtype: np.dtype) -> bool:
    """Whether a type has NaN and infinite values; the last are those of `ml_dtypes`."""
    return dtype.kind in "fc" or dtype.name.startswith(("bfloat16", "float8"))
