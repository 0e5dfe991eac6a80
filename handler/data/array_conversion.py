"""Conversion of the arrays that a data function returns: lazy arrays of other libraries stay as they are."""

from typing import Any

import numpy as np

from handler.errors import DataError


def as_array(value: Any, name: str, where: str) -> Any:
    """Return a NumPy or lazy array (zarr, h5py) unchanged; convert other values (tensors, frames, lists) with NumPy.

    Args:
        value: the value to convert.
        name: the name of the value in messages.
        where: the path of the field that gives the value.

    Raises:
        DataError: NumPy cannot make an array of numbers of it, or values of it are masked.
    """
    if np.ma.is_masked(value):
        what = f"{np.ma.count_masked(value)} masked values, which a training can't skip"
        raise DataError(where, f"{name} has {what}; fill them (filled), or remove their rows")
    if isinstance(value, np.ndarray) or is_lazy(value):
        return value
    kind = type(value).__name__
    try:
        made = np.asarray(value)
    except Exception as error:  # the conversions of other libraries raise exceptions of any class
        said = str(error).strip().split("\n")[0]
        raise DataError(where, f"{name} is a {kind}, which can't be converted to an array ({said})") from error
    if made.dtype.kind == "O":
        raise DataError(
            where,
            f"{name} is a {kind}, which is not an array of numbers; return NumPy arrays (for a "
            "tf.data.Dataset: numpy.concatenate its batches; for a data frame: its numeric columns)",
        )
    return made


def is_lazy(value: Any) -> bool:
    """Return whether a value is an array that can be sliced along its first axis without being read whole."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or not hasattr(type(value), "__getitem__"):
        return False
    return all(isinstance(size, int) for size in shape) and not hasattr(value, "to_numpy")  # pandas reads by label
