"""The answers of the commands, as JSON and for people, and their cost."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from flows.answers import (
    ExportAnswer,
    FailureAnswer,
    GcAnswer,
    PlanAnswer,
    PredictAnswer,
    ResumeAnswer,
    RunsAnswer,
    ShowAnswer,
    VerifyAnswer,
)
from tests.flows.conftest import MODELS
from tests.models.small import arrays

KEPT = ("--store", "kept")


@pytest.fixture
def type_here(forker, trained):
    """Return a function that runs a command in the small model's folder, and returns its exit code, stdout and stderr.
    """

    def type_(*arguments):
        typed = forker.type(*arguments, folder=trained[0])
        return typed.code, typed.stdout, typed.stderr

    return type_


@pytest.fixture
def answer(type_here):
    """Return a function that runs a command with `--json`, and returns its answer."""

    def type_(model, *arguments, code=0):
        found, out, err = type_here(*arguments, "--store", "kept", "--json")
        assert found == code, err
        return model.model_validate_json(out)

    return type_


def test_plan_lists_each_segment_and_whether_it_is_cached(answer, trained):
    plan = answer(PlanAnswer, "plan", "small.yaml")
    assert [(s.start, s.end, s.frozen) for s in plan.segments] == [
        (0, 1, []), (1, 3, ["low", "norm"]), (3, 4, ["low"]), (4, 5, ["high"]), (5, 6, []),
    ]
    assert all(s.cached for s in plan.segments)
    assert [s.state for s in plan.segments] == [s["state"] for s in trained[1].answer["segments"]]
    assert [s.learning_rate for s in plan.segments] == [0.01, 0.01, 0.005, 0.005, 0.005]
    other = answer(PlanAnswer, "plan", "small.yaml", "--set", "freeze_training=[]")
    assert [(s.start, s.end, s.cached) for s in other.segments] == [(0, 6, False)]


def test_plan_why_names_the_field_that_differs_from_a_stored_run(answer, type_here):
    assert answer(PlanAnswer, "plan", "small.yaml").why is None
    assert answer(PlanAnswer, "plan", "small.yaml", "--name", "whole", "--why").why == []
    rate = ("--set", "model.compile.optimizer.learning_rate=0.02")
    (reason,) = answer(PlanAnswer, "plan", "small.yaml", "--why", *rate).why
    assert (reason.segment, reason.field, reason.stored, reason.found, reason.run) == (
        0, "model.compile.optimizer.learning_rate", 0.01, 0.02, "whole",
    )
    for more, sentence in (
        (rate, "epochs 0-1: model.compile.optimizer.learning_rate: was 0.01, is 0.02 (compared with run 'whole')"),
        (("--name", "whole"), "everything is cached"),
    ):
        _, out, _ = type_here("plan", "small.yaml", "--store", "kept", "--why", *more)
        assert " ".join(out.split()).endswith(sentence)


def test_plan_writes_its_picture_as_png(answer, tmp_path):
    plan = answer(PlanAnswer, "plan", "small.yaml", "--png", tmp_path / "plan.png")
    assert plan.png == str(tmp_path / "plan.png")
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_runs_lists_each_run_with_its_status(answer):
    runs = {run.run: run for run in answer(RunsAnswer, "runs").runs}
    assert (runs["whole"].status, runs["whole"].alive, runs["whole"].epochs) == ("completed", False, 6)


def test_runs_of_a_missing_store_are_none_and_create_no_store(type_here, tmp_path):
    code, out, _ = type_here("runs", "--store", tmp_path / "none", "--json")
    assert (code, json.loads(out)["runs"]) == (0, [])
    assert not (tmp_path / "none").exists()


def test_show_repeats_the_answer_of_train(answer, trained):
    shown = answer(ShowAnswer, "show", "whole")
    for key in ("run", "status", "state", "weights", "epochs", "history", "report", "model"):
        assert getattr(shown, key) == trained[1].answer[key], key
    assert [s.source for s in shown.segments] == ["trained"] * 5
    assert "kept/runs/whole/history.csv" in shown.files


def test_without_json_the_commands_print_tables(type_here):
    for command, expected in (
        (("plan", "small.yaml"), "low, norm"),
        (("runs",), "completed"),
        (("show", "whole"), "accuracy"),
        (("train", "small.yaml", "--name", "whole"), "0 trained, 6 from cache"),
        (("verify",), "all files are intact"),
        (("gc", "--dry-run"), "that would be removed"),
    ):
        code, out, err = type_here(*command, "--store", "kept")
        assert code == 0, err
        assert expected in out


def test_verify_reports_an_intact_run_as_ok(answer):
    assert answer(VerifyAnswer, "verify", "whole") == VerifyAnswer(ok=True, damaged=[])


def test_gc_removes_no_run_and_no_state_that_a_run_needs(answer):
    dry = answer(GcAnswer, "gc", "--dry-run")
    assert dry.dry_run
    assert not any(path.startswith(("states", "runs")) for path in dry.removed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--keep-newest", "1"), "--keep-newest: Input should be greater than or equal to 2; got 1"),
        (("--keep-best", "3"), "--keep-best: selects runs to keep in addition to the newest; give --keep-newest too"),
        (("--keep-newest", "5", "--keep-best", "3"), "--keep-best: 3 needs a metric; give one with --metric, such as val_loss"),
        (("--keep-newest", "5", "--metric", "val_los"), "--metric: no run of this store has 'val_los'; "),
        (("--keep-newest", "5", "--keep-days", "1e12"), "--keep-days: Input should be less than or equal to 36500; got 1000000000000.0"),
    ],
)
def test_gc_refuses_an_invalid_retention_policy(options, said, answer):
    failure = answer(FailureAnswer, "gc", *options, code=2)
    assert said in failure.error


def test_gc_keeps_the_newest_runs(answer):
    dry = answer(GcAnswer, "gc", "--keep-newest", "2", "--keep-days", "1", "--dry-run")
    assert not any(path.startswith("runs") for path in dry.removed)


def test_export_writes_the_model_of_the_chosen_epoch(frostline, trained, tmp_path):
    folder, typed = trained
    last = frostline("export", "whole", "-o", tmp_path / "last.keras", "--store", "kept", "--json", folder=folder)
    assert ExportAnswer.model_validate(last.answer).weights == typed.answer["weights"]
    early = frostline("export", "whole", "--epoch", 1, "-o", tmp_path / "early.keras", "--store", "kept", "--json", folder=folder)
    exported = ExportAnswer.model_validate(early.answer)
    assert (exported.epoch, exported.state) == (1, typed.answer["segments"][0]["state"])
    assert exported.weights != typed.answer["weights"]
    import keras

    model = keras.models.load_model(tmp_path / "early.keras", compile=False)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in model.get_weights()))
    assert digest.hexdigest() == exported.weights
    inside = frostline("export", "whole", "--epoch", 2, "-o", tmp_path / "x.keras", "--store", "kept", "--json", folder=folder)
    assert inside.code == 2
    assert "the store has no state after epoch 2; it has: 0, 1, 3, 4, 5, 6" in inside.answer["error"]


def test_predict_writes_and_scores_predictions_for_arrays(frostline, trained, tmp_path):
    folder, _ = trained
    X, y = arrays(40, seed=8)
    np.savez(tmp_path / "new.npz", X=X, y=y)
    typed = frostline("predict", "whole", tmp_path / "new.npz", "-o", tmp_path / "out.npz", "--store", "kept", "--json", folder=folder)
    predicted = PredictAnswer.model_validate(typed.answer)
    with np.load(tmp_path / "out.npz") as file:
        assert file["predictions"].shape == (40, 2)
        assert (file["labels"] == file["predictions"].argmax(axis=1)).all()
        assert predicted.scores["overall_accuracy"] == pytest.approx((file["labels"] == y).mean())
    assert predicted.points == 40


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"X": (40, 5)}, "X of bad.npz has examples of shape [5], 'whole' was trained on [8]; give examples of that shape"),
        ({"X": (40,)}, "X of bad.npz has examples of shape [], 'whole' was trained on [8]"),
        ({"X0": (40, 8), "X1": (40, 8)}, "bad.npz has 2 inputs, 'whole' was trained on 1"),
        ({"X": (0, 8)}, "X of bad.npz has 0 examples; give one or more"),
        ({"Z": (40, 8)}, "bad.npz has no X (or X0, X1, ...); it has: Z"),
        (b"PK no archive", "bad.npz can't be read as .npz (File is not a zip file)"),
    ],
)
def test_predict_refuses_arrays_that_do_not_fit_the_run(held, message, answer, trained):
    file = trained[0] / "bad.npz"
    if isinstance(held, bytes):
        file.write_bytes(held)
    else:
        np.savez(file, **{name: np.zeros(shape, "float32") for name, shape in held.items()})
    assert message in answer(FailureAnswer, "predict", "whole", "bad.npz", "-o", "never.npz", code=2).error
    assert not (trained[0] / "never.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "nobody"), "there is no run 'nobody'"),
        (("show", "../small"), "'../small' can't name a run"),
        (("predict", "whole", "missing.npz", "-o", "out.npz", *KEPT), "there is no file missing.npz"),
        (("predict", "whole", "small.yaml", "-o", "out.npz", *KEPT), "small.yaml is not a .las, .laz or .npz file"),
        (("export", "whole", "-o", "model.h5", *KEPT), "model.h5 must end in .keras"),
        (("export", "whole", "-o", "nowhere/model.keras", *KEPT), "there is no folder"),
        (("train", "missing.yaml"), "missing.yaml"),
        (("resume", "nobody"), "there is no run 'nobody'"),
        (("verify", "nobody"), "there is no run 'nobody'"),
        (("train", "small.yaml", "--name", ".."), "'..'"),
        (("train",), "Missing argument"),
        (("train", "small.yaml", "--stor", "x"), "No such option: --stor"),
        (("trian", "small.yaml"), "No such command 'trian'"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(arguments, message, type_here, trained):
    code, out, err = type_here(*arguments, "--json")
    failure = FailureAnswer.model_validate_json(out)
    assert (code, failure.status, failure.resume) == (2, "refused", None)
    assert message in failure.error
    assert message in err
    assert not (trained[0] / ".frostline").exists()


def test_resume_completes_killed_runs_and_refuses_one_with_changed_code(forker, project):
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
    assert "run 'two': data.source.code: two.py changed: network (was " in two.error
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
    refused("run 'small': data.source", "data.npz", "was ", "is ")
    (project / "data.npz").unlink()
    refused("data.npz")
    np.savez(project / "data.npz", X=X, y=y)
    project.rename(moved)
    refused(f"'small' was started from {project}, which no longer exists")
    moved.rename(project)
    typed = type_("resume", "small")
    assert [(run.run, run.status) for run in ResumeAnswer.model_validate(typed.answer).runs] == [("small", "completed")]


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("runs",), ("show", "whole"), ("plan", "small.yaml"), ("plan", "small.yaml", "--why"), ("train", "small.yaml", "--name", "whole"), ("verify",), ("gc", "--dry-run")],
)
def test_a_command_that_reads_only_records_imports_no_heavy_package(arguments, trained, clean_environment):
    store = ("--store", "kept") if "--help" not in arguments else ()
    program = (
        "import sys; from flows.command import main; code = main(); "
        "heavy = [m for m in ('tensorflow', 'keras', 'prefect', 'matplotlib', 'scipy') if m in sys.modules]; "
        "sys.exit(f'imported: {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments, *store], cwd=trained[0], env=clean_environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_open_files_and_exit_functions_of_a_callback_finish_at_the_exit(project, forker):
    (project / "open.py").write_text(
        "import atexit\nimport keras\n\n\n"
        "class Open(keras.callbacks.Callback):\n"
        "    def on_train_begin(self, logs=None):\n"
        "        self.file = open('left_open.txt', 'w')\n"
        "        atexit.register(lambda: open('registered.txt', 'w').write('it ended'))\n\n"
        "    def on_epoch_end(self, epoch, logs=None):\n"
        "        self.file.write('x')\n"
    )
    typed = forker.type("train", "small.yaml", "--store", "s", "--set", "training.callbacks=[{name: 'open:Open'}]", folder=project)
    typed.wait()
    assert typed.code == 0, typed.stderr
    assert (project / "left_open.txt").read_text() == "x" * 6
    assert (project / "registered.txt").read_text() == "it ended"
