"""Check of examples and targets for NaN and infinite values, slab by slab while the digests are computed."""

from typing import Any

import numpy as np

from handler.errors import DataError
from handler.store.arrays import slabs
from handler.validation.array_list import list_arrays


class FiniteCheck:
    """A counter of the values of one array that are not finite.

    Args:
        name: the name of the array in the message, such as `X[1]` or `y of data.npz`.
        where: the path of the field that gives the array, such as `data.source`.
    """

    def __init__(self, name: str, where: str) -> None:
        self.name, self.where = name, where
        self.count, self.row = 0, 0

    def check(self, start: int, part: np.ndarray) -> None:
        """Count the values of a slab that are not finite.

        Args:
            start: the row of the array at which the slab begins.
            part: the slab. A dtype without NaN and infinity is not examined.
        """
        if not part.size or not _has_not_finite(part.dtype):
            return
        finite = np.isfinite(part)
        if not finite.all():
            if not self.count:
                self.row = start + int(np.argmin(finite.reshape(len(part), -1).all(axis=1)))
            self.count += int(finite.size - np.count_nonzero(finite))

    def require(self) -> None:
        """Raise `DataError` if values were not finite; it names the array, their number and the first row with one."""
        if self.count:
            raise DataError(
                self.where,
                f"{self.name} has {self.count} values that are not finite (NaN or infinite), the first in row "
                f"{self.row}; replace them by numbers, or leave these rows out",
            )


def check_finite(array: Any, name: str, where: str) -> None:
    """Raise `DataError` for an array with NaN or infinite values.

    Args:
        array: an array that supports slices along its first axis.
        name, where: see `FiniteCheck`.
    """
    check = FiniteCheck(name, where)
    if _has_not_finite(np.dtype(array.dtype)):
        for start, end in slabs(array):
            check.check(start, np.asarray(array[start:end]))
    check.require()


def check_arrays(X: Any, y: Any, validation: tuple[Any, Any] | None) -> None:
    """Raise `DataError` for examples or targets with NaN or infinite values; skip values that are no arrays.

    Args:
        X: an array or a list of arrays.
        y: the targets.
        validation: (X, y) of the validation data, or None.
    """
    for suffix, given in (("", (X, y)), ("_val", validation or ())):
        for letter, part in zip("Xy", given, strict=False):
            arrays = list_arrays(part)
            for i, array in enumerate(arrays):
                if isinstance(getattr(array, "dtype", None), np.dtype):
                    check_finite(array, f"{letter}{i if len(arrays) > 1 else ''}{suffix}", "")


def _has_not_finite(dtype: np.dtype) -> bool:
    """Return whether a dtype has NaN or infinite values; `bfloat16` and `float8*` are those of `ml_dtypes`."""
    return dtype.kind in "fc" or dtype.name.startswith(("bfloat16", "float8"))
