"""The command rejects mismatches too: changed data of a run, another number of threads."""

import re
import shutil

import numpy as np
import pytest

from flows.answers import PlanAnswer, ShowAnswer
from tests.models.small import arrays

pytestmark = pytest.mark.service


def test_resume_refuses_a_run_with_a_changed_data_file_by_name(forker, project):
    X, y = arrays()
    np.savez(project / "points.npz", X=X, y=y)
    kill = [{"stage": "train_segment", "what": "kill", "at": 2}]
    typed = forker.type("train", "small.yaml", "--store", "s", "--set", "data.source=points.npz", folder=project, faults=kill)
    assert typed.code == -9
    np.savez(project / "points.npz", X=X + 1, y=y)
    typed = forker.type("resume", "small", "--store", "s", "--json", folder=project)
    (refused,) = typed.answer["runs"]
    assert (typed.code, refused["status"], refused["resume"]) == (2, "refused", None)
    assert re.fullmatch(
        r"run 'small' has changed since it was started: data\.source\.content\[0\]: was points\.npz \(content (\w{32})\), is points\.npz \(content "
        r"(?!\1)\w{32}\); restore it, or run `frostline train` with the specification",
        refused["error"],
    )
    np.savez(project / "points.npz", X=X, y=y)
    typed = forker.type("resume", "small", "--store", "s", "--json", folder=project)
    assert (typed.code, typed.answer["runs"][0]["status"]) == (0, "completed")
    shown = ShowAnswer.model_validate(forker.type("show", "small", "--store", "s", "--json", folder=project).answer)
    assert [r.text for r in shown.resumptions] == ["resumed from epoch 3 after it was killed"]


def test_a_change_of_the_thread_count_is_refused_unless_allowed(forker, trained, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "copy")
    more = ("small.yaml", "--store", "kept", "--json", "--name", "more", "--set", "training.epochs=7", "--set", "training.threads=2")
    reasons = PlanAnswer.model_validate(forker.type("plan", "--why", *more, folder=folder).answer).why
    assert [(r.field, r.stored, r.found) for r in reasons] == [("epochs", 6, 7), ("environment.threads", 1, 2)]
    typed = forker.type("train", *more, folder=folder)
    assert (typed.code, typed.answer["status"]) == (2, "refused")
    assert "environment.threads: the state was made with 1, this process has 2; set training.threads to 1, or resume with --allow-en" in typed.answer["error"]
    typed = forker.type("train", "--allow-environment-change", *more, folder=folder)
    assert typed.code == 0, typed.stderr
    note = (
        "environment.threads changed from 1 to 2 at epoch 6; the change was allowed, "
        "the result may not be bit-identical to that of an uninterrupted run"
    )
    assert note in typed.stderr
    shown = ShowAnswer.model_validate(forker.type("show", "more", "--store", "kept", "--json", folder=folder).answer)
    assert shown.notes == [note]
    assert note in (folder / "kept" / "runs" / "more" / "report.html").read_text()
    assert note in " ".join(forker.type("show", "more", "--store", "kept", folder=folder).stdout.split())
