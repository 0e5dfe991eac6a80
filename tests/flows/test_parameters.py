"""The conversion of the flow's parameters into the run's inputs: its name, and the runs that it resumes."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from flows import parameters as inputs
from handler.errors import MismatchError, SpecError
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from tests.good_spec import changed, write_good


def given(monkeypatch, **parameters):
    """Simulate a flow run with these parameters, and with a fixed scheduled start time."""
    flow_run = SimpleNamespace(parameters=parameters, scheduled_start_time=datetime(2026, 11, 27, 3, 0, tzinfo=UTC))
    monkeypatch.setattr(inputs, "prefect", SimpleNamespace(runtime=SimpleNamespace(flow_run=flow_run)))


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"spec_file": "spec.yaml"}, "good"),
        ({"spec_file": "spec.yaml", "overrides": ["name=other"]}, "other"),
        ({"spec_file": "spec.yaml", "name": "mine"}, "mine"),
        ({"spec_file": "spec.yaml", "new_run": True}, "good-20261127-0300"),
        ({"spec": {"name": "inside"}}, "inside"),
        ({"spec": parse_spec(changed({})), "name": None}, "good"),
        ({"spec_file": "gone.yaml"}, "gone"),
        ({}, "train"),
    ],
    ids=str,
)
def test_a_flow_run_gets_the_name_of_its_training(parameters, name, tmp_path, monkeypatch):
    write_good(tmp_path)
    monkeypatch.chdir(tmp_path)
    given(monkeypatch, **parameters)
    assert inputs.training_name() == name


@pytest.fixture
def begun(tmp_path):
    """Return a folder with a store in which a run has begun."""
    file = write_good(tmp_path)
    run = TrainingRun(inputs.run_inputs(None, str(file), [], ".", str(tmp_path / "s"), "begun"))
    run.begin(run.plan())
    return tmp_path


def test_a_resumed_run_uses_its_stored_specification_and_folder(begun):
    started = inputs.inputs_as_started(None, str(begun / "s"), "begun", False)
    assert (started.name, started.folder, started.spec) == ("begun", str(begun), parse_spec(changed({})))


def test_a_resumed_run_uses_the_worker_project_if_its_folder_is_missing(begun, tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("there")
    write_good(folder)
    for name in ("things.py", "spec.yaml"):
        (begun / name).unlink()
    store = (begun / "s").rename(folder / "s")
    begun.rmdir()
    monkeypatch.chdir(folder)
    assert inputs.inputs_as_started(None, str(store), "begun", False).folder == str(folder)
    (folder / "things.py").write_text((folder / "things.py").read_text().replace('"drop"', '"dropped"'))
    TrainingRun.of(RunInputs(spec=parse_spec(changed({})), folder=str(folder), store=str(store), name="other"))  # not the same run as before
    with pytest.raises(MismatchError, match=r"run 'begun' has changed since it was started: .*things.py changed: "):
        inputs.inputs_as_started(None, str(store), "begun", False)


RESUMED_BY_NAME = r"^go_on: give the name of a run in the store and no specification"


def test_resuming_takes_no_specification(begun):
    with pytest.raises(SpecError, match=RESUMED_BY_NAME):
        inputs.inputs_as_started("spec.yaml", str(begun / "s"), "begun", False)


def test_resuming_needs_the_name_of_a_run(begun):
    with pytest.raises(SpecError, match=RESUMED_BY_NAME):
        inputs.inputs_as_started(None, str(begun / "s"), None, False)


def test_resuming_an_unknown_run_is_refused(begun):
    with pytest.raises(SpecError, match=r"there is no run 'other' in .*; there are: begun"):
        inputs.inputs_as_started(None, str(begun / "s"), "other", False)
