"""Sources of arrays: the names and the shapes of their members."""

from pathlib import Path

import numpy as np
import pytest

from handler.data.data_spec import DataSpec
from handler.data.sources import load, shape
from handler.errors import DataError


def npz(**members):
    return lambda folder: np.savez(folder / "d.npz", **members) or "d.npz"


def code(body):
    def write(folder: Path):
        (folder / "bad.py").write_text("import numpy as np\ndef data():\n    " + body)
        return "bad:data"
    return write


@pytest.mark.parametrize(("write", "message"), [
    (npz(X=np.ones((3, 2))), r"d\.npz has no y; it has: X"),
    (npz(y=np.ones(3)), r"has no X \(or X0, X1, \.\.\.\); it has: y"),
    (npz(X=np.ones((3, 2)), y=np.ones(4)), "X of d.npz has 3 examples and y has 4"),
    (npz(X=np.ones((0, 2)), y=np.ones(0)), "d.npz has no examples"),
    (npz(X=np.array(["a", "b"]), y=np.ones(2)), "X of d.npz has dtype <U1; numbers are needed"),
    (npz(X=np.ones((2, 1)), y=np.array([1.0, np.nan])), "y of d.npz has 1 values that are not finite"),
    (npz(X=np.array([{}, {}], dtype=object), y=np.ones(2)), "d.npz can't be read as .npz"),
    (npz(X=np.ones((3, 2)), y=np.ones(3), X_val=np.ones((3, 2))), "has no y_val"),
    (npz(X=np.ones((3, 2)), y=np.ones(3), X_val=np.ones((3, 2)), y_val=np.ones(2)),
     "the validation of d.npz has 3 examples"),
    (code("return np.ones(3)"), r"bad:data returned ndarray; return \(X, y\) or"),
    (code("return np.ones(3), np.ones(3), np.ones(3)"), "bad:data returned 3 values"),
    (code("return [np.ones((3, 2)), np.ones((2, 2))], np.ones(3)"), r"X\[1\] of bad:data has 2 examples and y has 3"),
    (code("return np.float64(1), np.ones(3)"), "X of bad:data is a single number"),
    (code("return [], np.ones(3)"), "X of bad:data is an empty list")])
def test_unusable_arrays_are_refused(tmp_path, write, message):
    with pytest.raises(DataError, match=message):
        load(DataSpec(source=write(tmp_path)), tmp_path, seed=1)


def test_several_inputs_of_an_npz_are_an_ordered_list(tmp_path, arrays):
    x, y = arrays
    np.savez(tmp_path / "d.npz", X1=x[:, :1], X0=x, y=y)
    data = load(DataSpec(source="d.npz"), tmp_path, seed=1)
    assert [part.shape for part in data.X] == [(10, 4), (10, 1)]
    assert shape(DataSpec(source="d.npz"), tmp_path).inputs == (((4,), "float32"), ((1,), "float32"))
