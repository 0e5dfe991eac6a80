"""Arrays of a zarr group, which stay on disk."""

import numpy as np
import zarr

from handler.data.data_spec import DataSpec
from handler.data.sources import files, load, shape
from handler.data.stored_array import StoredArray


def test_zarr_arrays_stay_on_disk(tmp_path, arrays):
    x, y = arrays
    group = zarr.open_group(tmp_path / "d.zarr", mode="w")
    group.create_array("X", data=x, chunks=(3, 4))
    group.create_array("y", data=y)
    data = load(DataSpec(source="d.zarr"), tmp_path, seed=1)
    assert isinstance(data.X[0], StoredArray)
    np.testing.assert_array_equal(data.X[0][2:7], x[2:7])
    assert isinstance(data.y, StoredArray)
    assert shape(DataSpec(source="d.zarr"), tmp_path).inputs == (((4,), "float32"),)
    assert len(files(DataSpec(source="d.zarr"), tmp_path)) > 5
    assert all(path.is_file() for path in files(DataSpec(source="d.zarr"), tmp_path))
