"""Arrays as files of raw bytes: written in parallel, read into given memory, read by rows; zarr can read them too."""

import numpy as np
import pytest
import zarr

from handler.errors import DamagedError
from handler.store import arrays
from handler.store.arrays import content, describe, read_array, slabs, write_array
from handler.store.checksums import digest_file
from handler.store.row_array import Rows
from tests.handler.store.examples import VALUES


@pytest.mark.parametrize("name", VALUES)
def test_arrays_of_any_dtype_and_layout_are_read_back_bit_identically(name, tmp_path, small_chunks):
    values = VALUES[name]
    write_array(tmp_path / "X", values)
    array = read_array(tmp_path / "X", describe(values))
    assert (array.dtype, array.shape) == (values.dtype, values.shape)
    assert array.tobytes() == values.tobytes()


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


def test_write_array_returns_the_digests_of_its_files(tmp_path, small_chunks):
    digests = write_array(tmp_path / "X", VALUES["several chunks"])
    files = {p.relative_to(tmp_path).as_posix(): digest_file(p) for p in tmp_path.glob("X/c/**/*") if p.is_file()}
    assert len(files) == 8
    assert digests == files


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


def test_the_digest_of_an_array_does_not_depend_on_its_layout(tmp_path, monkeypatch):
    values = VALUES["several chunks"]
    stored = zarr.create_array(tmp_path / "X", data=values, chunks=(7, 10))
    digests = {content(values), content(np.asfortranarray(values)), content(stored)}
    monkeypatch.setattr(arrays, "slabs", lambda array: slabs(array, 200))
    assert digests == {content(values)}
    assert content(values[::-1]) not in digests
