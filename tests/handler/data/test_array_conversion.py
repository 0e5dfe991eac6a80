"""Values that a data function may return instead of NumPy arrays, and values that are refused."""

import numpy as np
import pytest
import zarr

from handler.data import out_of_core
from handler.data.arrays import from_call
from handler.errors import DataError
from handler.store.store import Store

X, Y = np.arange(24, dtype="float32").reshape(12, 2), np.arange(12) % 3


class Lazy:
    """An array that supports only slicing, without `nbytes` or conversion as a whole."""

    def __init__(self, array, dtype=None):
        self._array, self.shape, self.dtype = array, array.shape, dtype or array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self._array[rows]


class Listed(Lazy):
    """A lazy array whose dtype is a string and which also has a length and single rows."""

    def __init__(self, array):
        super().__init__(array, str(array.dtype))

    def __len__(self):
        return len(self._array)

    def __getitem__(self, row):
        return self._array[row]


class Slippery:
    def __array__(self, *given, **options):
        raise RuntimeError("no array today\nnor tomorrow")


def tensor(array):
    import tensorflow as tf

    return tf.constant(array)


class Labelled:
    """A column whose rows are read by label, as those of a data frame."""

    def __init__(self, array):
        self.dtype, self.shape, self.to_numpy = array.dtype, array.shape, lambda: array

    def __array__(self, *given, **options):
        return self.to_numpy()

    def __getitem__(self, label):
        raise KeyError(label)


@pytest.mark.parametrize("kind", [Lazy, Listed, tensor, Labelled, np.ndarray.tolist, lambda array: zarr.array(array)],
                         ids=["lazy", "dtype as text", "tensor", "frame", "lists", "zarr"])  # fmt: skip
@pytest.mark.parametrize("far", [False, True], ids=["in memory", "row by row"])
def test_arrays_of_other_libraries_are_accepted(kind, far, tmp_path, monkeypatch):
    monkeypatch.setattr(out_of_core, "IN_MEMORY", 0 if far else 1 << 20)
    given = from_call((X if kind is np.ndarray.tolist else kind(X), kind(Y)), "mine:data")
    brought = out_of_core.make_random_access(given, {"source": "mine"}, Store(tmp_path).prefit, lambda done, of: None)
    assert np.array_equal(brought.X[0][np.arange(12)], X)
    assert np.array_equal(brought.y[np.arange(12)], Y)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ((X, Slippery()), r"y of mine:data is a Slippery, which can't be converted to an array \(no array today\)"),
        ((X, [Y, Y[:4]]), "y of mine:data is a list, which can't be converted to an array"),
        ((iter(X), Y), "X of mine:data is a .*iterator, which is not an array of numbers; return NumPy arrays"),
        (([X, {"a": X}], Y), r"X\[1\] of mine:data is a dict, which is not an array of numbers"),
        ((np.array(["a"] * 12), Y), "has dtype <U1; numbers are needed"),
        ((np.ma.masked_less(X, 0.5), Y), "X of mine:data has [0-9]+ masked values, which a training can't skip"),
        ((X, Y, X, object()), "y_val of mine:data is a object"),
    ],
)
def test_values_without_numbers_are_refused_by_name(result, said):
    with pytest.raises(DataError, match=said):
        from_call(result, "mine:data")
