"""A project with a trained run, and copies of its store to damage."""

import shutil

import pytest
import yaml

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.store.store import Store
from tests.faults import damage_table, stages


def run_in(folder):
    spec = parse_spec(yaml.safe_load((folder / "spec.yaml").read_text()))
    return TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name="run"))


# Without `threads`, because it would apply to all tests in this process.
SPEC = damage_table.SPEC | {"training": {k: v for k, v in damage_table.SPEC["training"].items() if k != "threads"}}


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a project in which the smallest run was trained."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(damage_table.trainings.MODELS / "tiny.py", folder)
    damage_table.points(folder)
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    run = run_in(folder)
    with run.lock():
        stages.train(run)
    assert run.store.verify() == []
    return folder


@pytest.fixture
def store(trained, tmp_path):
    """Return a copy of the project's store, with a run that belongs to the copy."""
    for name in ("tiny.py", "points.npz", "spec.yaml"):
        shutil.copy(trained / name, tmp_path)
    shutil.copytree(trained / "store", tmp_path / "store")
    copied = Store(tmp_path / "store")
    copied.runs.write(copied.runs.read("run").model_copy(update={"spec_folder": str(tmp_path)}))
    return copied
