"""Arrays of an .npz file."""

import numpy as np

from handler.data.data_spec import DataSpec
from handler.data.dataset import DataShape
from handler.data.sources import files, load, shape


def test_npz_arrays_are_read_back_unchanged(tmp_path, arrays):
    x, y = arrays
    np.savez(tmp_path / "d.npz", X=x, y=y, X_val=x[:4], y_val=y[:4])
    spec = DataSpec(source="d.npz", args={"class_names": ["a", "b", "c"]})
    data = load(spec, tmp_path, seed=1)
    np.testing.assert_array_equal(data.X[0], x)
    np.testing.assert_array_equal(data.y, y)
    np.testing.assert_array_equal(data.validation[0][0], x[:4])
    assert shape(spec, tmp_path) == DataShape((((4,), "float32"),), 3, ("a", "b", "c"))
    assert files(spec, tmp_path) == [tmp_path / "d.npz"]
    assert data.describe()["examples"] == 10
