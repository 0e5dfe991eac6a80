import numpy as np
import pytest

from handler.data.data_spec import DataSpec
from handler.data.dataset import DataShape
from handler.data.sources import files, load, shape
from handler.errors import DataError, SpecError
from handler.store.store import Store
from tests.handler.data.conftest import CLASSES, same

FIELDS = {"radius": 4.0, "points": 64, "count": 6}
SCENE = {"size": 20, "tiles": 2, "density": 4}


def cloud_spec(source, **args):
    return DataSpec(source=source, args={"receptive_fields": FIELDS, "features": ["intensity", "z_std_16"], **args})


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
