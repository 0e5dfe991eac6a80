"""A rejected training changes nothing: neither the run of that name, nor the states that gc keeps, nor the list of
runs.
"""

import shutil

import pytest

from flows.answers import FailureAnswer, GcAnswer, TrainAnswer

WITHOUT_VALIDATION = ("--set", "training.callbacks=[{name: EarlyStopping, monitor: val_loss}]")
FAILS = ("--set", "data.source=small:missing_file")
CODE = '''

def missing_file():
    raise FileNotFoundError("the user's")


def too_wide():
    X, y = arrays()
    return X.repeat(2, axis=-1), y
'''


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in ("lock", "log")}


@pytest.fixture
def project(project):
    with (project / "small.py").open("a") as file:
        file.write(CODE)
    return project


@pytest.mark.parametrize(
    ("change", "code"), [(WITHOUT_VALIDATION, 2), (("--set", "data.source=small:too_wide"), 2), (FAILS, 1)]
)
def test_a_failed_start_leaves_a_completed_run_of_that_name_unchanged(change, code, project, frostline, trained):
    shutil.copytree(trained[0] / "kept", project / "s")
    before = contents(project / "s" / "runs")
    command = ("train", "small.yaml", "--name", "whole", "--store", "s", "--json")
    failure = FailureAnswer.model_validate(frostline(*command, *change).answer)
    assert failure.status == ("refused" if code == 2 else "failed")
    assert contents(project / "s" / "runs") == before
    assert GcAnswer.model_validate(frostline("gc", "--store", "s", "--json").answer).removed == []


def test_a_refused_start_under_a_new_name_creates_no_store(project, frostline):
    typed = frostline("train", "small.yaml", "--store", "s", "--json", *WITHOUT_VALIDATION)
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status) == (2, "refused")
    assert "Traceback" not in typed.stderr
    assert not (project / "s").exists()
    assert TrainAnswer.model_validate(frostline("train", "small.yaml", "--store", "s", "--json").answer).epochs == 6
