"""Hostile parameters of a flow run that is started through Prefect's API are rejected with a clear error."""

import json
import struct
import zipfile

import laspy
import numpy as np
import pytest
import zarr

from flows.parameters import run_inputs
from handler.data import sources
from handler.data.data_spec import DataSpec
from handler.data.las import read_cloud
from handler.data.out_of_core import make_random_access
from handler.errors import FrostlineError
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.store.store import Store
from tests.good_spec import changed, write_good


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Change into a worker's project with a valid specification; next to it lie folders outside of the project."""
    for name in ("project", "outside", "data"):
        (tmp_path / name).mkdir()
    write_good(tmp_path / "project")
    write_good(tmp_path / "outside")
    (tmp_path / "outside" / "secret").write_text("root:x:0:0\n\tkey")
    for folder in ("outside", "data"):
        np.savez(tmp_path / folder / "d.npz", X=np.ones((8, 6), "float32"), y=np.arange(8) % 3)
    (tmp_path / "project" / "link.npz").symlink_to(tmp_path / "outside" / "d.npz")
    (tmp_path / "project" / "linked").symlink_to(tmp_path / "outside")
    zarr.open_group(tmp_path / "project" / "g.zarr", mode="w")
    (tmp_path / "project" / "g.zarr" / "X").symlink_to(tmp_path / "outside")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "00000000-0000-0000-0000-000000000000")
    monkeypatch.delenv("FROSTLINE_DATA_ROOTS", raising=False)
    monkeypatch.delenv("FROSTLINE_ALLOWED_MODULES", raising=False)
    return tmp_path / "project"


def begin(folder=".", store=".frostline", name=None, spec_file=None, **change):
    """Return the run's inputs, as the flow computes them from a deployment's parameters."""
    spec = None if spec_file else parse_spec(json.loads(json.dumps(changed({k.replace("__", "."): v for k, v in change.items()}))))
    return run_inputs(spec, spec_file, [], folder, store, name)


@pytest.mark.usefixtures("project")
def test_the_projects_own_files_are_admitted():
    assert begin(spec_file="spec.yaml").name == "good"
    begin()


def test_files_below_the_data_roots_are_admitted(project, monkeypatch):
    monkeypatch.setenv("FROSTLINE_DATA_ROOTS", f"/nowhere:{project.parent / 'data'}")
    begin(data__source=str(project.parent / "data" / "d.npz"), data__args={}, store=str(project.parent / "data" / "store"))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"store": "/etc/frostline"}, r"^store: /etc/frostline is outside of the worker's project \(.*project\) and of FROSTLINE_DATA_ROOTS \(not set\)"),
        ({"store": "../outside/store"}, "^store: .* is outside"),
        ({"store": "linked/store"}, "^store: .* is outside"),
        ({"spec_file": "/etc/passwd"}, "^spec_file: /etc/passwd is outside"),
        ({"spec_file": "../outside/spec.yaml"}, "^spec_file: .* is outside"),
        ({"spec_file": "linked/secret"}, "^spec_file: .* is outside"),
        ({"folder": "../outside"}, r"^folder: .*outside is outside of the worker's project"),
        ({"folder": "linked"}, "^folder: .*linked is outside"),
        ({"name": "../../etc"}, r"'../../etc' can't name a run"),
        ({"name": "a/b"}, "'a/b' can't name a run"),
        ({"name": ".."}, r"'\.\.' can't name a run"),
        ({"data__source": "/etc/passwd.npz", "data__args": {}}, "^data.source: /etc/passwd.npz is outside"),
        ({"data__source": "../outside/d.npz", "data__args": {}}, "^data.source: .* is outside"),
        ({"data__source": "link.npz", "data__args": {}}, "^data.source: .* is outside"),
        ({"data__source": "g.zarr", "data__args": {}}, "^data.source: .* is outside"),
        ({"data__source": "../outside/*.laz", "data__args": {}}, "^data.source: .* is outside"),
        ({"data__source": "*/../../outside/*.laz", "data__args": {}}, "^data.source: "),
        ({"data__validation": "../outside/d.npz"}, "^data.validation: .* is outside"),
        ({"model__weights": "/etc/model.keras"}, "^model.weights: /etc/model.keras is outside"),
        ({"model__weights": "run:../../x"}, "can't name a run"),
        ({"data__source": "os:system", "data__args": {"command": "true"}}, "there is no module 'os'"),
        ({"data__source": "handler.store.atomic_files:remove"}, "'handler.store.atomic_files' is Frostline's own"),
        ({"model__architecture": "subprocess:run"}, "there is no module 'subprocess'"),
        ({"model__compile__loss": "things:__import__"}, "things.py defines no '__import__'"),
        ({"model__architecture": "things:LIMIT.real"}, "^model.architecture: "),
        ({"training__callbacks": [{"name": "shutil:rmtree"}]}, "there is no module 'shutil'"),
    ],
    ids=str,
)  # fmt: skip
def test_hostile_parameters_of_a_flow_run_are_refused(parameters, said, project):
    with pytest.raises(FrostlineError, match=said) as refused:
        TrainingRun(begin(**parameters)).plan()
    assert "\n" not in str(refused.value)
    assert "root:x" not in str(refused.value)
    assert not (project.parent / "outside" / "store").exists()


def test_the_command_line_may_use_any_folder(project, monkeypatch):
    monkeypatch.delenv("PREFECT__RUNTIME__DEPLOYMENT__ID")
    begin(folder="../outside", store="../outside/store")


def declaring(path, shape):
    """Write an .npz whose X declares the size of `shape`, but holds hardly a byte."""
    header = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
        archive.writestr("y.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)


def test_an_array_declared_larger_than_memory_is_refused_before_reading(tmp_path):
    declaring(tmp_path / "d.npz", (2**40, 8))
    with pytest.raises(FrostlineError, match=r"^data.source: .*d.npz can't be read as .npz \(X says shape \(1099511627776, 8\) of float64 and has 0 bytes\)"):
        sources.load(DataSpec(source="d.npz"), tmp_path, 1)
    group = zarr.open_group(tmp_path / "d.zarr", mode="w")
    group.create_array("X", shape=(2**40, 8), chunks=(2**20, 8), dtype="float64")
    group.create_array("y", shape=(2**40,), chunks=(2**20,), dtype="float64")
    with pytest.raises(FrostlineError, match=r"^data.source: y in .*d.zarr takes 8796.1 GB in memory"):
        sources.load(DataSpec(source="d.zarr"), tmp_path, 1)
    group = zarr.open_group(tmp_path / "c.zarr", mode="w")
    group.create_array("X", shape=(8, 2**40), chunks=(8, 2**40), dtype="float64")
    group.create_array("y", shape=(8,), dtype="float64")
    with pytest.raises(FrostlineError, match=r"^data.source: a chunk of X in .*c.zarr takes 70368.7 GB in memory"):
        sources.load(DataSpec(source="c.zarr"), tmp_path, 1)


def test_a_zarr_group_declared_larger_than_the_free_disk_is_refused(tmp_path):
    group = zarr.open_group(tmp_path / "d.zarr", mode="w")
    group.create_array("X", shape=(1000, 2**40), chunks=(1, 2**20), dtype="float64")
    group.create_array("y", shape=(1000,), dtype="float64")
    dataset = sources.load(DataSpec(source="d.zarr"), tmp_path, 1)
    with pytest.raises(FrostlineError, match=r"^data.source: X0 take 8796093.0 GB as rows in .*prefit, where \d+\.\d GB are free; make room"):
        make_random_access(dataset, {}, Store(tmp_path / "s").prefit, lambda *done: None)


def test_a_las_file_that_declares_more_points_than_it_has_is_refused(tmp_path):
    cloud = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    cloud.x = cloud.y = cloud.z = np.arange(5.0)
    cloud.write(tmp_path / "a.las")
    content = bytearray((tmp_path / "a.las").read_bytes())
    content[247:255] = struct.pack("<Q", 2**40)  # the number of points, LAS 1.4
    (tmp_path / "a.las").write_bytes(bytes(content))
    with pytest.raises(FrostlineError, match=r"a.las can't be read as LAS \(it says 1099511627776 points, and holds 5\)"):
        read_cloud(tmp_path / "a.las")
