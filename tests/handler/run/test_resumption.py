"""A copied or renamed run folder, a moved project, and a run that would start from itself. Imports no TensorFlow."""

import pytest

from handler.errors import SpecError
from handler.run.inputs import RunInputs
from handler.run.resumption import inputs_of_run
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.spec.references import check_source
from handler.store.store import Store
from tests.handler.store.writes import record

MODULE = "def data():\n    return None\n\n\ndef network():\n    return None\n"
SPEC = {
    "name": "mine",
    "data": {"source": "mine:data"},
    "model": {"architecture": "mine:network", "compile": {"optimizer": "adam", "loss": "mse", "metrics": []}},
    "training": {"epochs": 2},
}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mine.py").write_text(MODULE)
    return folder


def begun(store, project):
    """Return the record of a run of the project."""
    spec = parse_spec(SPEC)
    key = TrainingRun(RunInputs(spec=spec, folder=str(project), store=str(store.root), name="mine")).planning.key
    said = {"key": key, "spec": spec.model_dump(mode="json", by_alias=True), "spec_folder": str(project)}
    store.runs.write(record(1, state="k0").model_copy(update=said))
    return store.runs.read("mine")


def test_a_run_of_a_moved_project_resumes_in_its_new_folder(project, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    kept = begun(store, project)
    moved = project.rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    assert inputs_of_run(store, kept).folder == str(moved)
    monkeypatch.chdir(tmp_path)
    said = rf"^run: 'mine' was started from {project}, which no longer exists; run the command in the folder that contains the project"
    with pytest.raises(SpecError, match=said):
        inputs_of_run(store, kept)


@pytest.mark.parametrize("weights", ["run:mine", "run:mine@1", {"file": "run:mine", "into": "backbone"}])
def test_a_run_that_starts_from_itself_is_refused(weights, project, tmp_path):
    store = Store(tmp_path / "store")
    begun(store, project)
    spec = parse_spec({**SPEC, "model": {**SPEC["model"], "weights": weights}})
    inputs = {"spec": spec, "folder": str(project), "store": str(store.root)}
    said = (
        r"^model.weights: 'run:mine(@1)?' is the run that is to be trained; give the training another name \(--name\)$"
    )
    for ask in (TrainingRun.plan, lambda run: run.planning.key):
        with pytest.raises(SpecError, match=said):
            ask(TrainingRun(RunInputs(name="mine", **inputs)))


@pytest.mark.parametrize("name", ["br[1]", "a*b", "what?"])
def test_a_glob_works_in_a_folder_with_wildcards_in_its_name(name, tmp_path):
    folder = tmp_path / name
    (folder / "tiles").mkdir(parents=True)
    (folder / "tiles" / "a.las").touch()
    for source in ("tiles/*.las", str(folder / "tiles" / "*.las"), str(folder / "tiles" / "a.las")):
        check_source(source, folder, "data.source")
    check_source(f"{name}/tiles/*.las", tmp_path, "data.source")
    with pytest.raises(SpecError, match="matches no file in"):
        check_source("tiles/*.laz", folder, "data.source")
