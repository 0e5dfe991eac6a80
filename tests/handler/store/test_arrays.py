"""Arrays as files of raw bytes: written in parallel, read into given memory, read by rows; zarr can read them too."""

import ml_dtypes
import numpy as np
import pytest
import zarr

from handler.errors import DamagedError, StoreError
from handler.store import arrays, raw_zarr
from handler.store.arrays import content, describe, read_array, slabs, write_array
from handler.store.checksums import digest_file
from handler.store.raw_zarr import Chunks
from handler.store.row_array import Rows

RNG = np.random.default_rng(0)
VALUES = {
    "float32 in one chunk": RNG.normal(size=(7, 3, 2)).astype("float32"),
    "bfloat16": RNG.normal(size=(5, 4)).astype(ml_dtypes.bfloat16),
    "booleans": RNG.random(9) > 0.5,
    "strings": np.array(["ab", "c", "déf"]),
    "big endian": np.arange(6, dtype=">i4").reshape(3, 2),
    "fields": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "i2"), ("b", "f8")]),
    "backwards": np.arange(60.0).reshape(20, 3)[::-1],
    "columns first": np.asfortranarray(np.arange(60.0).reshape(20, 3)),
    "no rows": np.empty((0, 3), "float32"),
    "rows without bytes": np.empty((4, 0), "float32"),
    "several chunks": np.arange(1000, dtype="int64").reshape(100, 10),
}


@pytest.fixture
def small_chunks(monkeypatch):
    """Set chunks of at most 1100 bytes (13 rows of 80 bytes), so that the last chunk is not full."""
    monkeypatch.setattr(Chunks.create.__func__, "__defaults__", (1100,))


@pytest.mark.parametrize("name", VALUES)
def test_arrays_of_any_dtype_and_layout_are_read_back_bit_identically(name, tmp_path, small_chunks):
    values = VALUES[name]
    write_array(tmp_path / "X", values)
    found = read_array(tmp_path / "X", describe(values))
    assert (found.dtype, found.shape) == (values.dtype, values.shape)
    assert found.tobytes() == values.tobytes()


@pytest.mark.parametrize("out", ["contiguous", "backwards", "columns first"])
def test_an_array_is_read_into_a_target_of_any_layout(out, tmp_path, small_chunks):
    values = VALUES["several chunks"]
    write_array(tmp_path / "X", values)
    target = {
        "contiguous": np.zeros_like(values),
        "backwards": np.zeros_like(values)[::-1],
        "columns first": np.zeros_like(values, order="F"),
    }[out]
    assert read_array(tmp_path / "X", describe(values), out=target) is target
    np.testing.assert_array_equal(target, values)


def test_zarr_reads_the_same_bytes(tmp_path, small_chunks):
    values = VALUES["several chunks"]
    write_array(tmp_path / "X", values)
    stored = zarr.open_array(tmp_path / "X", mode="r")
    assert stored.nchunks == 8
    assert stored[:].tobytes() == values.tobytes()


def test_write_array_returns_the_digests_of_its_files(tmp_path, small_chunks):
    digests = write_array(tmp_path / "X", VALUES["several chunks"])
    files = {p.relative_to(tmp_path).as_posix(): digest_file(p) for p in tmp_path.glob("X/c/**/*") if p.is_file()}
    assert len(files) == 8
    assert digests == files


@pytest.mark.parametrize("portions", [[100], [1] * 100, [13, 13, 74], [99, 1]])
def test_rows_appended_in_any_portions_give_equal_files(portions, tmp_path, small_chunks):
    raw = VALUES["several chunks"].view(np.uint8)
    written = write_array(tmp_path / "X", raw)
    appended = Chunks.create(tmp_path / "other" / "X", raw.shape)
    ends = np.cumsum(portions)
    for start, end in zip((0, *ends), ends, strict=False):
        appended.append(raw[start:end])
    assert appended.digests == written


@pytest.mark.parametrize(
    "rows", [[5], [99, 0, 50, 12, 13], list(range(100)), list(range(10, 40)), [3, 3, 4], [], slice(11, 30), slice(None)]
)
def test_rows_are_read_in_any_order(rows, tmp_path, small_chunks):
    values = VALUES["several chunks"]
    write_array(tmp_path / "X", values)
    stored = Rows(tmp_path / "X", describe(values))
    rows = rows if isinstance(rows, slice) else np.array(rows, int)
    np.testing.assert_array_equal(stored[rows], values[rows])
    np.testing.assert_array_equal(stored.oindex[rows], values[rows])
    assert (len(stored), stored.nbytes, stored.shape, stored.dtype) == (100, 8000, (100, 10), values.dtype)


def test_a_truncated_or_missing_chunk_is_named(tmp_path, small_chunks):
    values = VALUES["several chunks"]
    write_array(tmp_path / "X", values)
    chunk = tmp_path / "X" / "c" / "3" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"c/3/0: has only 1039 bytes"):
        read_array(tmp_path / "X", describe(values))
    chunk.unlink()
    with pytest.raises(DamagedError, match=r"c/3/0: can't be read \(No such file"):
        Rows(tmp_path / "X", describe(values))[np.array([40])]


def test_an_unreadable_zarr_description_is_no_damage(tmp_path, monkeypatch):
    write_array(tmp_path / "X", VALUES["several chunks"])

    def refused(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(zarr, "open_array", refused)
        with pytest.raises(StoreError, match="Permission denied") as caught:
            Chunks.open(tmp_path / "X")
        assert not isinstance(caught.value, DamagedError)


def test_a_broken_zarr_description_is_damage(tmp_path):
    write_array(tmp_path / "X", VALUES["several chunks"])
    (tmp_path / "X" / "zarr.json").write_text("{}")
    with pytest.raises(DamagedError, match="X: can't be read"):
        Chunks.open(tmp_path / "X")


@pytest.mark.parametrize(("length", "limit", "chunk"), [(10, 4, 4), (10, 3, 3), (9, 4, 3), (0, 5, 1), (3, 10, 3)])
def test_chunks_have_even_lengths(length, limit, chunk):
    assert raw_zarr.even(length, limit) == chunk


def test_slabs_of_an_array_in_chunks_are_whole_chunks(tmp_path):
    stored = zarr.create_array(tmp_path / "X", shape=(100, 10), chunks=(7, 10), dtype="int64")
    assert list(slabs(stored, 2000))[:2] == [(0, 21), (21, 42)]
    assert list(slabs(stored, 10))[:2] == [(0, 7), (7, 14)]
    assert list(slabs(np.zeros((5, 10)), 160)) == [(0, 2), (2, 4), (4, 5)]


def test_the_digest_of_an_array_does_not_depend_on_its_layout(tmp_path, monkeypatch):
    values = VALUES["several chunks"]
    stored = zarr.create_array(tmp_path / "X", data=values, chunks=(7, 10))
    digests = {content(values), content(np.asfortranarray(values)), content(stored)}
    monkeypatch.setattr(arrays, "slabs", lambda array: slabs(array, 200))
    assert digests == {content(values)}
    assert content(values[::-1]) not in digests
