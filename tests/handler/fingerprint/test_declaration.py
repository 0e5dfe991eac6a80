"""The declaration: the fields, files and code that change the first key, and those that do not."""

import json
import re
import shutil

import laspy
import numpy as np
import pytest
import xxhash

from handler.errors import SpecError
from handler.fingerprint.declaration import FileDigests, build_declaration, pretrained_state
from handler.fingerprint.differences import first_difference, iter_differences
from handler.spec.reader import parse_spec
from handler.store.checksums import compute_key
from handler.store.marker import claim_store
from handler.store.store import Store
from tests.good_spec import MODULE, changed, write_good


@pytest.fixture
def folder(tmp_path):
    write_good(tmp_path)
    np.savez(tmp_path / "points.npz", X=np.zeros((4, 6), "float32"), y=np.zeros(4, "int64"))
    (tmp_path / "start.weights.h5").write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def declare(folder):
    """Return a function that declares the valid specification with changes."""
    return lambda change=None: build_declaration(parse_spec(changed(change or {})), folder, FileDigests(None))


NPZ = {"data": {"source": "points.npz"}}


def test_the_first_key_is_32_hex_digits(declare):
    declaration = declare()
    assert json.loads(json.dumps(declaration)) == declaration
    assert re.fullmatch("[0-9a-f]{32}", compute_key(declaration))
    assert compute_key(declaration) == compute_key(dict(reversed(declaration.items()))) == compute_key(declare())


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"training.epochs": 20},
        {"training.in_place": True},
        {"training.threads": 2},
        {"freeze_training": None},
        {
            "training.callbacks": [
                {"name": "EarlyStopping", "monitor": "loss", "patience": 5},
                {"name": "CSVLogger", "filename": "x"},
            ]
        },
        {"model.compile.optimizer": {"name": "Adam", "learning_rate": 0.01}},
        {"data.validation": None},
    ],
    ids=str,
)
def test_fields_without_effect_on_the_result_do_not_enter(change, declare):
    assert declare(change) == declare()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"seed": 2}, "seed"),
        ({"training.batch_size": 4}, "batch_size"),
        ({"data.args": {"examples": 33}}, "data.args.examples"),
        ({"data.version": 2}, "data.version"),
        ({"data.validation": "things:data"}, "data.validation"),
        ({"model.args.width": 5}, "model.args.width"),
        ({"model.architecture": "things:data"}, "model.architecture.function"),
        ({"model.weights": "start.weights.h5"}, "model.weights"),
        ({"model.compile.optimizer.learning_rate": 0.02}, "model.compile.optimizer.learning_rate"),
        ({"model.compile.loss": "mse"}, "model.compile.loss"),
        ({"model.compile.metrics": []}, "model.compile.metrics[0]"),
        ({"model.compile.class_weight": {0: 2}}, "model.compile.class_weight"),
        ({"training.callbacks.0.patience": 6}, "callbacks[0].patience"),
        ({"training.callbacks": []}, "callbacks[0]"),
        ({"training.callbacks": [{"name": "things:data", "x": 1}]}, "callbacks[0].name"),
    ],
)
def test_fields_that_affect_the_result_enter(change, path, declare):
    before, after = declare(), declare(change)
    assert compute_key(before) != compute_key(after)
    assert first_difference(before, after)[0] == path


def test_comments_docstrings_and_formatting_do_not_enter(folder, declare):
    before = declare()
    text = MODULE.replace("LIMIT = 3", "# a comment\nLIMIT   =   3").replace(
        '"""Small data and a small network."""', '"""Else."""'
    )
    (folder / "things.py").write_text(
        text.replace("def network(width):\n", 'def network(width):\n    """New words."""\n')
    )
    assert declare() == before


def test_a_change_of_code_enters(folder, declare):
    before = declare()
    (folder / "things.py").write_text(MODULE.replace("LIMIT = 3", "LIMIT = 4"))
    assert first_difference(before, declare())[0] == "data.source.code"


def test_the_path_of_the_folder_does_not_enter(folder, declare, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(folder, elsewhere, dirs_exist_ok=True)
    for change in ({}, NPZ, {"model.weights": "start.weights.h5"}):
        assert build_declaration(parse_spec(changed(change)), elsewhere, FileDigests(None)) == declare(change)


def test_text_that_resembles_a_reference_stays_text(declare):
    assert declare({"model.args": {"width": "one:two"}})["model"]["args"] == {"width": "one:two"}
    assert declare({"model.args": {"width": "things:LIMIT"}})["model"]["args"]["width"].keys() == {"function", "code"}


def test_functions_in_callbacks_enter_by_their_code(declare):
    scheduler = declare({"training.callbacks": [{"name": "LearningRateScheduler", "schedule": "things:data"}]})
    assert scheduler["callbacks"][0]["schedule"]["function"] == "data"
    with pytest.raises(SpecError, match=r"training.callbacks\[0\].schedule: things.py defines no 'gone'"):
        declare({"training.callbacks": [{"name": "LearningRateScheduler", "schedule": "things:gone"}]})


def test_a_missing_function_is_refused_with_its_field(folder, declare):
    (folder / "things.py").unlink()
    with pytest.raises(SpecError, match=r"model.architecture: there is no module 'things'"):
        declare(NPZ)


def test_files_enter_by_content(folder, declare):
    before = declare(NPZ)
    (folder / "points.npz").rename(folder / "moved.npz")
    moved = {"data": {"source": "moved.npz"}}
    assert declare(moved) == before
    np.savez(folder / "moved.npz", X=np.ones((4, 6), "float32"), y=np.zeros(4, "int64"))
    assert first_difference(before, declare(moved))[0] == "data.source.content[0]"


def test_tiles_enter_in_their_listed_order(folder, declare):
    digests = [_write_tile(folder / f"{name}.las", points) for name, points in (("a", 1), ("b", 2))]
    cloud = {"training.callbacks": [], "model.architecture": "pointnet", "model.args": {}}
    listed = [
        declare(cloud | {"data": {"source": source}})["data"]["source"]["content"]
        for source in (["a.las", "b.las"], "*.las")
    ]
    assert listed[0] == listed[1] == digests
    assert declare(cloud | {"data": {"source": ["b.las", "a.las"]}})["data"]["source"]["content"] == listed[0][::-1]
    assert declare(cloud | {"data": {"source": "a.las", "validation": "b.las"}})["data"]["validation"] == {
        "content": [listed[0][1]]
    }


def _write_tile(path, points, wkt=None):
    """Write a tile with a number of points and a coordinate reference system, and return the digest of the file."""
    las = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    las.xyz = np.zeros((points, 3))
    if wkt is not None:
        las.header.vlrs.append(laspy.VLR("LASF_Projection", 2112, "", wkt.encode() + b"\0"))
        las.header.global_encoding.wkt = True
    las.write(path)
    return xxhash.xxh3_128_hexdigest(path.read_bytes())


def test_the_unit_of_a_tile_enters_unless_it_is_the_metre(folder, declare):
    cloud = {"training.callbacks": [], "model.architecture": "pointnet", "model.args": {}}
    _write_tile(folder / "metres.las", 1, 'PROJCS["x",GEOGCS["y"],UNIT["metre",1]]')
    _write_tile(folder / "feet.las", 1, 'PROJCS["x",GEOGCS["y"],UNIT["foot",0.3048]]')
    sources = [
        declare(cloud | {"data": {"source": f"{name}.las"}})["data"]["source"] for name in ("metres", "feet")
    ]
    assert [source.get("metres") for source in sources] == [None, [[0.3048, 0.3048]]]


def test_a_zarr_enters_by_the_names_of_its_files(folder, declare):
    zarr = folder / "points.zarr"
    (zarr / "X").mkdir(parents=True)
    (zarr / "X" / "0").write_bytes(b"one")
    (zarr / "X" / "1").write_bytes(b"two")
    before = declare({"data": {"source": "points.zarr"}})
    (zarr / "X" / "1").rename(zarr / "X" / "2")
    assert declare({"data": {"source": "points.zarr"}}) != before


def test_linked_files_of_a_zarr_enter(folder, declare, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("there") / "X"
    elsewhere.mkdir()
    (elsewhere / "c").write_bytes(b"1")
    (folder / "linked.zarr").mkdir()
    (folder / "linked.zarr" / "X").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder / "linked.zarr")
    change = {"data.source": "linked.zarr", "data.args": {}}
    before = declare(change)
    (elsewhere / "c").write_bytes(b"2")
    assert declare(change) != before


def test_pretrained_weights_enter_by_content(folder, declare):
    before = declare({"model.weights": "start.weights.h5"})
    assert before["model"]["weights"] == {"content": xxhash.xxh3_128_hexdigest(b"weights")}
    (folder / "start.weights.h5").unlink()
    with pytest.raises(SpecError, match=r"model.weights: there is no file"):
        declare({"model.weights": "start.weights.h5"})


# Initial weights from runs


@pytest.fixture
def store(tmp_path):
    """Return a store with a completed run of two epochs and an interrupted one."""
    from handler.records import RunRecord

    store = Store(tmp_path / "store")
    for name, status, state in (("done", "completed", "c" * 32), ("half", "interrupted", None)):
        record = RunRecord(
            run=name,
            status=status,
            key="a" * 32,
            state=state,
            seed=1,
            epochs=2,
            training_epochs=2,
            started="",
            updated="",
            chain=["a" * 32, "b" * 32, "c" * 32],
            spec_folder="",
        )
        store.runs.write(record)
    return store


def test_weights_of_a_run_enter_by_the_key_of_its_state(store, folder):
    spec = parse_spec(changed({"model.weights": "run:done"}))
    assert build_declaration(spec, folder, FileDigests(store.root))["model"]["weights"] == {"state": "c" * 32}
    assert pretrained_state("run:done@1", store.root) == pretrained_state("run:half@1", store.root) == "b" * 32


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("run:gone", "'run:gone': there is no run 'gone'.*there are: done, half"),
        ("run:done@3", "'run:done@3': the run has no epoch 3; give 0 to 2"),
        ("run:half", "the run is interrupted, not completed; finish it or name an epoch"),
    ],
)
def test_weights_of_a_run_without_that_state_are_refused(weights, words, store):
    with pytest.raises(SpecError, match=words) as caught:
        pretrained_state(weights, store.root)
    assert caught.value.path == "model.weights"


# Files that a function reads, and modules that it imports by name


@pytest.fixture
def images(folder):
    """Return a folder with an image, which the specification reads together with a table."""
    (folder / "images" / "cats").mkdir(parents=True)
    (folder / "images" / "cats" / "one.png").write_bytes(b"1")
    (folder / "table.csv").write_text("a,b")
    return folder / "images"


FILES = {"data.files": ["images", "*.csv"]}


def test_a_specification_without_data_files_keeps_its_key(declare):
    assert "files" not in declare()["data"]


def test_a_folder_and_globs_of_its_files_enter_equally(images, declare):
    globs = [declare({"data.files": [glob, "*.csv"]}) for glob in ("images/**", "images/**/*")]
    assert globs == [declare(FILES)] * 2


def test_data_files_enter_by_content(images, declare):
    before = declare(FILES)
    (images / "cats" / "one.png").write_bytes(b"2")
    assert first_difference(before, declare(FILES))[0] == "data.files[0]"
    (images / "cats" / "one.png").write_bytes(b"1")
    assert declare(FILES) == before


def test_data_files_enter_by_name(images, declare):
    before = declare(FILES)
    (images / "cats").rename(images / "dogs")
    (images.parent / "table.csv").rename(images.parent / "other.csv")
    assert [path for path, *_ in iter_differences(before, declare(FILES))] == ["data.files[0]", "data.files[1]"]


def test_files_that_runs_write_do_not_enter(folder, declare):
    (folder / "table.csv").write_text("a,b")
    change = {"data.files": [".", "**/*.csv"]}
    before = declare(change)
    claim_store(folder / ".frostline")
    for written in (".frostline/runs/one/history.csv", "__pycache__/mine.cpython-311.pyc"):
        (folder / written).parent.mkdir(parents=True)
        (folder / written).write_text("new")
    assert declare(change) == before
    assert declare({"data.files": [".frostline/runs/one/*.csv"]})["data"]["files"], "unless these alone are named"


def test_the_location_of_data_files_does_not_enter(folder, declare, tmp_path_factory):
    declarations = []
    for place in (folder, tmp_path_factory.mktemp("elsewhere")):
        (place / "im[1]").mkdir()
        (place / "im[1]" / "a.png").write_bytes(b"1")
        declarations += [declare({"data.files": [f"{place}/{tail}"]}) for tail in ("im[1]", "im[1]/*.png", "im[1]/**")]
    assert all(other == declarations[0] for other in declarations)
