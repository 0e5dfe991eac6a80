"""The command `resume`."""

import numpy as np
import pytest

from flows.answers import (
    ResumeAnswer,
    RunsAnswer,
    ShowAnswer,
)
from tests.flows.conftest import MODELS
from tests.models.small import arrays


def test_resume_completes_all_killed_runs_but_one_with_changed_code(forker, project):
    kill = [{"stage": "train_segment", "what": "kill", "at": 2}]
    for name in ("one", "two"):
        (project / f"{name}.py").write_text((MODELS / "small.py").read_text())
        sets = ("--set", f"data.source={name}:arrays", "--set", f"model.architecture={name}:network")
        typed = forker.type("train", "small.yaml", "--name", name, "--store", "s", "--json", *sets, folder=project, faults=kill)
        assert typed.code == -9
    shown = RunsAnswer.model_validate(forker.type("runs", "--store", "s", "--json", folder=project).answer)
    assert {(run.run, run.status, run.alive) for run in shown.runs} == {("one", "killed", False), ("two", "killed", False)}
    source = (project / "two.py").read_text()
    (project / "two.py").write_text(source.replace('"gelu"', '"relu"'))
    typed = forker.type("resume", "--store", "s", "--json", folder=project)
    one, two = ResumeAnswer.model_validate(typed.answer).runs
    assert typed.code == 2
    assert (one.run, one.status, [s.source for s in one.segments]) == ("one", "completed", ["cached"] * 2 + ["trained"] * 3)
    assert (two.run, two.status) == ("two", "refused")
    assert "run 'two' has changed since it was started: data.source.code: two.py changed: network (was " in two.error
    (project / "two.py").write_text(source)
    typed = forker.type("resume", "--store", "s", "--json", folder=project)
    assert [(run.run, run.status) for run in ResumeAnswer.model_validate(typed.answer).runs] == [("two", "completed")]
    assert forker.type("resume", "--store", "s", "--json", folder=project).answer == {"runs": []}


@pytest.mark.service
def test_a_killed_run_resumes_only_with_its_own_data_and_folder(forker, tmp_path):
    project, moved = tmp_path / "project", tmp_path / "moved"
    project.mkdir()
    for name in ("small.py", "small.yaml"):
        (project / name).write_text((MODELS / name).read_text())
    X, y = arrays()
    np.savez(project / "data.npz", X=X, y=y)
    kill = [{"stage": "train_segment", "what": "kill", "at": 2}]
    sets = ("--set", "data.source=data.npz", "--store", "../s")
    assert forker.type("train", "small.yaml", *sets, folder=project, faults=kill).code == -9

    def type_(*command):
        return forker.type(*command, "--store", "s", "--json", folder=tmp_path)

    shown = ShowAnswer.model_validate(type_("show", "small").answer)
    assert (shown.status, shown.alive) == ("killed", False)
    assert "killed" in forker.type("runs", "--store", "s", folder=tmp_path).stdout
    assert "frostline resume small" in forker.type("show", "small", "--store", "s", folder=tmp_path).stdout

    def refused(*words):
        typed = type_("resume", "small")
        answer = ResumeAnswer.model_validate(typed.answer).runs[0]
        assert (typed.code, answer.status, answer.resume) == (2, "refused", None)
        for word in words:
            assert word in answer.error

    np.savez(project / "data.npz", X=X + 1, y=y)
    refused("run 'small' has changed since it was started: data.source", "data.npz", "was ", "is ")
    (project / "data.npz").unlink()
    refused("data.npz")
    np.savez(project / "data.npz", X=X, y=y)
    project.rename(moved)
    refused(f"'small' was started from {project}, which no longer exists")
    moved.rename(project)
    typed = type_("resume", "small")
    assert [(run.run, run.status) for run in ResumeAnswer.model_validate(typed.answer).runs] == [("small", "completed")]
