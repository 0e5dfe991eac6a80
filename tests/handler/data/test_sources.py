from pathlib import Path

import numpy as np
import pytest
import zarr

from handler.data.data_spec import DataSpec
from handler.data.dataset import DataShape
from handler.data.sources import files, load, shape
from handler.data.stored_array import StoredArray
from handler.errors import DataError, SpecError
from handler.store.store import Store
from tests.handler.data.conftest import CLASSES, same

FIELDS = {"radius": 4.0, "points": 64, "count": 6}
SCENE = {"size": 20, "tiles": 2, "density": 4}


def cloud_spec(source, **args):
    return DataSpec(source=source, args={"receptive_fields": FIELDS, "features": ["intensity", "z_std_16"], **args})


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return rng.normal(size=(10, 4)).astype("float32"), rng.integers(0, 3, 10)


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


def test_a_data_function_is_called_with_its_arguments(tmp_path):
    (tmp_path / "made.py").write_text(
        "import numpy as np\n"
        "def data(n, shift=0):\n    return np.ones((n, 2)), np.arange(n) + shift, np.ones((2, 2)), np.zeros(2)\n")
    spec = DataSpec(source="made:data", args={"n": 5, "shift": 2})
    assert shape(spec, tmp_path).inputs == (((2,), "float64"),)
    data = load(spec, tmp_path, seed=1)
    assert data.y.tolist() == [2, 3, 4, 5, 6]
    assert len(data.validation[1]) == 2


def test_a_data_function_is_called_once_for_shape_and_data(tmp_path):
    (tmp_path / "once.py").write_text(
        "import numpy as np\nfrom pathlib import Path\n"
        "def data():\n    with (Path(__file__).parent / 'calls').open('a') as log:\n        log.write('x')\n"
        "    return np.ones((3, 2)), np.ones(3)\n")
    spec = DataSpec(source="once:data")
    shape(spec, tmp_path, seed=1)
    shape(spec, tmp_path, seed=1)
    load(spec, tmp_path, seed=1)
    assert (tmp_path / "calls").read_text() == "x"


def test_clouds_become_receptive_fields(tmp_path, tiles):
    spec = cloud_spec("tiles/*.laz")
    data = load(spec, tmp_path, seed=1)
    assert [part.shape for part in data.X] == [(6, 64, 3), (6, 64, 2)]
    assert data.y.shape == (6, 64)
    assert set(np.unique(data.y)) <= {-1, 0, 1, 2}
    assert data.ignore_label == -1
    assert data.class_names == tuple(CLASSES)
    assert shape(spec, tmp_path) == DataShape((((64, 3), "float32"), ((64, 2), "float32")), 3, tuple(CLASSES), -1)
    assert files(spec, tmp_path) == tiles
    described = data.describe()
    assert [entry["name"] for entry in described["sources"]] == ["a.laz", "b.laz"]
    assert described["preparation"]["features"] == ["intensity", "z_std_16"]


def test_fields_depend_only_on_the_seed_and_the_specification(tmp_path):
    spec = cloud_spec("synthetic", scene=SCENE)
    assert same(load(spec, tmp_path, seed=1), load(spec, tmp_path / "elsewhere", seed=1))
    assert not same(load(spec, tmp_path, seed=1), load(spec, tmp_path, seed=2))


def test_clouds_without_features_have_coordinates_only(tmp_path):
    spec = cloud_spec("synthetic", scene=SCENE, features=[])
    data = load(spec, tmp_path, seed=1)
    assert [part.shape for part in data.X] == [(6, 64, 3)]
    assert shape(spec, tmp_path).inputs == (((64, 3), "float32"),)


def test_validation_fields_do_not_change_the_training_fields(tmp_path):
    spec = cloud_spec("synthetic", scene=SCENE).model_copy(update={"validation": "synthetic"})
    data = load(spec, tmp_path, seed=1)
    X, y = data.validation
    assert X[0].shape == (1, 64, 3)
    assert y.shape == (1, 64)
    # The training fields and their standardisation do not depend on the validation data.
    assert same(data, load(cloud_spec("synthetic", scene=SCENE), tmp_path, seed=1))


def test_stored_fields_are_read_from_the_store(tmp_path, tiles, monkeypatch):
    cache = Store(tmp_path / "store").prefit
    spec = cloud_spec("tiles/*.laz")
    first = load(spec, tmp_path, seed=1, cache=cache)
    assert cache.read(first.prefit) is not None

    def never(*_):
        raise AssertionError("features were computed again")

    monkeypatch.setattr("handler.data.field_dataset.compute_features", never)
    again = load(spec, tmp_path, seed=1, cache=cache)
    assert same(first, again)
    assert again.describe() == first.describe()
    assert again.X[0].flags.writeable
    with pytest.raises(AssertionError, match="computed again"):
        load(spec, tmp_path, seed=2, cache=cache)


def test_augmentation_does_not_change_the_fields(tmp_path):
    plain = cloud_spec("synthetic", scene=SCENE, augmentation=None)
    assert load(plain, tmp_path, seed=1).augment is None
    turned = load(cloud_spec("synthetic", scene=SCENE, augmentation={"mirror": False}), tmp_path, seed=1)
    assert turned.augment.mirror is False
    assert same(turned, load(plain, tmp_path, seed=1))


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


@pytest.mark.parametrize("read", [load, shape])
def test_an_unreadable_npz_or_zarr_is_refused_by_name(tmp_path, read):
    (tmp_path / "d.npz").write_bytes(b"not a zip")
    (tmp_path / "d.zarr").mkdir()
    for name in ("d.npz", "d.zarr"):
        with pytest.raises(DataError, match=f"{name} can't be read as"):
            read(DataSpec(source=name), tmp_path, **({"seed": 1} if read is load else {}))


@pytest.mark.parametrize(("source", "message"), [
    ("gone.laz", r"no file .*gone\.laz"), ("gone.npz", r"no file .*gone\.npz"), ("gone.zarr", r"no file .*gone\.zarr"),
    ("tiles/*.laz", r"'tiles/\*\.laz' matches no file"), (["gone.las"], r"no file .*gone\.las")])
def test_missing_files_are_refused_by_name(tmp_path, source, message):
    for use in (lambda spec: files(spec, tmp_path), lambda spec: load(spec, tmp_path, seed=1)):
        with pytest.raises(DataError, match=message):
            use(DataSpec(source=source))


def test_clouds_without_a_labelled_point_are_refused_with_their_codes(tmp_path, make_cloud, write_las):
    write_las(make_cloud(np.random.default_rng(0).uniform(0, 9, (99, 3)), 1), tmp_path / "bare.las")
    with pytest.raises(DataError, match=r"no point has a code of data\.args\.classes; the points have the codes 1"):
        load(cloud_spec("bare.las"), tmp_path, seed=1)


@pytest.mark.parametrize(("args", "message"), [
    ({"classes": {"ground": [2]}}, r"data\.args\.classes.*two or more"),
    ({"classes": {"a": [2], "b": [2, 3]}}, r"data\.args\.classes.*code 2 is in 'a' and in 'b'"),
    ({"classes": {"a": [2], "b": []}}, r"data\.args\.classes.*'b' has no codes"),
    ({"classes": {"a": [2], "b": [300]}}, r"data\.args\.classes"),
    ({"features": ["intensty"]}, r"data\.args\.features.*no feature 'intensty'; did you mean 'intensity'"),
    ({"features": ["intensity", "intensity"]}, r"data\.args\.features.*twice"),
    ({"receptive_fields": {"radius": 0}}, r"data\.args\.receptive_fields\.radius"),
    ({"receptive_fields": {"points": 2.5}}, r"data\.args\.receptive_fields\.points"),
    ({"receptive_fields": {"number": 5}}, r"data\.args\.receptive_fields\.number"),
    ({"augmentation": {"scale": [1.1, 0.9]}}, r"data\.args\.augmentation.*is not ascending"),
    ({"scene": {"size": 5}}, r"data\.args\.scene\.size"),
    ({"color": True}, r"data\.args\.color")])
def test_invalid_cloud_arguments_are_refused_with_their_path(tmp_path, args, message):
    for use in (lambda spec: shape(spec, tmp_path), lambda spec: load(spec, tmp_path, seed=1)):
        with pytest.raises(SpecError, match=message):
            use(DataSpec(source="synthetic", args=args))


def test_unknown_arguments_of_a_data_function_are_refused(tmp_path):
    (tmp_path / "takes.py").write_text("def data(n):\n    return None\n")
    with pytest.raises(SpecError, match=r"data\.args: takes:data refuses .*it takes n"):
        load(DataSpec(source="takes:data", args={"m": 1}), tmp_path, seed=1)


def test_validation_data_of_another_kind_is_refused(tmp_path, arrays):
    np.savez(tmp_path / "d.npz", X=arrays[0], y=arrays[1])
    with pytest.raises(DataError, match=r"data\.validation.*is not the same kind of data"):
        load(cloud_spec("synthetic", scene=SCENE).model_copy(update={"validation": "d.npz"}), tmp_path, seed=1)
    with pytest.raises(DataError, match=r"data\.validation.*is not the same kind of data"):
        load(DataSpec(source="d.npz").model_copy(update={"validation": "synthetic"}), tmp_path, seed=1)
