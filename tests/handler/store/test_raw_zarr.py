"""The chunks and the description of an array, which zarr reads too."""

import numpy as np
import pytest
import zarr

from handler.errors import DamagedError, StoreError
from handler.store import raw_zarr
from handler.store.arrays import slabs, write_array
from handler.store.raw_zarr import Chunks
from tests.handler.store.examples import VALUES


def test_zarr_reads_the_same_bytes(tmp_path, small_chunks):
    values = VALUES["several chunks"]
    write_array(tmp_path / "X", values)
    stored = zarr.open_array(tmp_path / "X", mode="r")
    assert stored.nchunks == 8
    assert stored[:].tobytes() == values.tobytes()


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
