"""Arrays of other libraries, as a data function may return them: as they are where they can be read lazily."""

from __future__ import annotations

from typing import Any

import numpy as np

from handler.errors import DataError


def as_array(value: Any, name: str, where: str) -> Any:
    """An array of NumPy, or one that is read by slices (zarr, h5py); all else (tensors, frames, lists) as NumPy has it.

    Args:
        value: what was given.
        name: what it is called in messages.
        where: the path of what gave it.

    Raises:
        DataError: NumPy makes no array of numbers of it, or values of it are masked.
    """
    if np.ma.is_masked(value):
        what = f"{np.ma.count_masked(value)} masked values, which a training can't leave out"
        raise DataError(where, f"{name} has {what}; fill them (filled), or leave their rows out")
    if isinstance(value, np.ndarray) or is_lazy(value):
        return value
    try:
        made = np.asarray(value)
    except Exception as error:  # whatever the conversion of another library raises
        said = str(error).strip().split("\n")[0]
        raise DataError(where, f"{name} is a {_kind(value)}, and no array can be made of it ({said})") from error
    if made.dtype.kind == "O":
        raise DataError(
            where,
            f"{name} is a {_kind(value)}, which gives no array of numbers; return NumPy arrays (of a tf.data.Dataset: "
            "numpy.concatenate its batches; of a frame: its numeric columns)",
        )
    return made


def is_lazy(value: Any) -> bool:
    """Whether a value is an array that gives its slices along the first axis without being read whole."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or not hasattr(type(value), "__getitem__"):
        return False
    return all(isinstance(size, int) for size in shape) and not hasattr(value, "to_numpy")  # pandas reads by label


def _kind(value: Any) -> str:
    return type(value).__name__
