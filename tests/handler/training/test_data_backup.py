"""Backup of X and y: the values return to the same arrays, for every dtype, memory order and number of arrays."""

import numpy as np
import pytest

from handler.errors import DamagedError, MismatchError
from handler.training.data_backup import restore_backup, write_backup

ROWS = 37


def make(dtype, shape):
    rng = np.random.default_rng(1)
    if dtype == "structured":
        array = np.zeros((ROWS, *shape), [("a", "f4"), ("b", "i8", (2,))])
        array["a"] = rng.normal(size=array["a"].shape)
        return array
    if np.dtype(dtype).kind in "US":
        return rng.integers(0, 99, size=(ROWS, *shape)).astype(dtype)
    if np.dtype(dtype).kind == "M":
        return rng.integers(0, 10**9, size=(ROWS, *shape)).astype("int64").view(dtype)
    return (rng.normal(size=(ROWS, *shape)) * 9).astype(dtype)


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        "float64",
        "float16",
        "int8",
        "uint16",
        "bool",
        "complex64",
        ">f4",
        "U5",
        "S3",
        "datetime64[s]",
        "structured",
    ],
)
def test_every_dtype_is_restored_bit_identically(tmp_path, dtype):
    x, y = make(dtype, (3,)), make("int32", ())
    original = x.copy(), y.copy()
    backup = write_backup(tmp_path, x, y)
    x[...] = x[::-1].copy()
    y[...] = 0
    restore_backup(backup, x, y)
    assert x.tobytes() == original[0].tobytes()
    assert y.tobytes() == original[1].tobytes()


def test_arrays_of_any_memory_order_are_restored(tmp_path):
    whole = make("float32", (10,))
    parts = [make("float64", (2, 3)), np.asfortranarray(make("float32", (4, 5))), whole[:, ::2]]
    original, y = [part.copy() for part in parts], make("int64", (2,))
    beside = whole[:, 1::2].copy()
    backup = write_backup(tmp_path, parts, y)
    for part in parts:
        part[...] = -1
    restore_backup(backup, parts, y)
    assert all(np.array_equal(a, b) for a, b in zip(parts, original, strict=True))
    assert np.array_equal(whole[:, 1::2], beside), "a view's neighbours are left alone"


def test_a_backup_is_chunked_along_the_first_axis(tmp_path):
    x = np.random.default_rng(0).integers(0, 255, size=(40, 1 << 20), dtype=np.uint8)
    backup = write_backup(tmp_path, x, np.zeros(40))
    sizes = sorted(p.stat().st_size for p in (backup / "X0" / "c").rglob("*") if p.is_file())
    assert sizes == [14 << 20] * 3, "at most 16 MiB, evenly cut"


def test_the_same_arrays_are_backed_up_once(tmp_path):
    x, y = make("float32", (3,)), make("int32", ())
    first = write_backup(tmp_path, x, y)
    stamp = (first / "manifest.json").stat().st_mtime_ns
    assert write_backup(tmp_path, x, y) == first
    assert (first / "manifest.json").stat().st_mtime_ns == stamp
    assert write_backup(tmp_path, x + 1, y) != first


def test_a_damaged_backup_is_refused(tmp_path):
    x, y = make("float32", (3,)), make("int32", ())
    backup = write_backup(tmp_path, x, y)
    chunk = next(p for p in (backup / "y" / "c").rglob("*") if p.is_file())
    data = bytearray(chunk.read_bytes())
    data[0] ^= 1
    chunk.write_bytes(data)
    with pytest.raises(DamagedError, match=r"/y/c/0/0: its content doesn.t match.*in the row order of the training"):
        restore_backup(backup, x, y)
    chunk.unlink()
    with pytest.raises(DamagedError, match="is missing"):
        restore_backup(backup, x, y)


def test_arrays_of_another_shape_are_refused_unchanged(tmp_path):
    x, y = make("float32", (3,)), make("int32", ())
    backup = write_backup(tmp_path, x, y)
    other = np.ones((ROWS, 4), "float32")
    with pytest.raises(MismatchError, match=r"X0 was saved as .*37, 3.*but is .*37, 4"):
        restore_backup(backup, other, y)
    assert (other == 1).all()
