"""A read-only store: a training is rejected with one sentence; commands that only read work as usual."""

import subprocess
import sys

import pytest

from flows.answers import FailureAnswer, PlanAnswer, RunsAnswer, ShowAnswer, TrainAnswer, VerifyAnswer
from tests.typed import ROOT

# A read-only mount, visible to this command only, because root ignores permissions.
MOUNTED = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
NAMESPACE = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNTED, "sh"]


@pytest.fixture
def read_only(trained, clean_environment, tmp_path):
    """Return a function that runs a command on a read-only mount of the trained run's store, and returns its code,
    stdout and stderr.
    """
    store = str(trained[0] / "kept")
    if subprocess.run([*NAMESPACE, store, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system gives no namespace to mount in")

    def type_(*arguments):
        done = subprocess.run(
            [*NAMESPACE, store, sys.executable, "-m", "flows.command", *arguments, "--store", "kept", "--json"],
            cwd=trained[0], env=clean_environment | {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(tmp_path / "home")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not (tmp_path / "home").exists(), "no server was started"
        return done.returncode, done.stdout, done.stderr

    return type_


def test_reading_commands_work_on_a_read_only_store(read_only, trained):
    before = sorted(trained[0].rglob("*"))
    for model, command in (
        (RunsAnswer, ["runs"]),
        (ShowAnswer, ["show", "whole"]),
        (VerifyAnswer, ["verify"]),
        (PlanAnswer, ["plan", "small.yaml", "--name", "whole", "--why"]),
        (TrainAnswer, ["train", "small.yaml", "--name", "whole"]),
    ):
        code, out, err = read_only(*command)
        assert code == 0, (command, err)
        answer = model.model_validate_json(out)
        if model is VerifyAnswer:
            assert answer.ok
        if model in (ShowAnswer, TrainAnswer):
            assert answer.weights == trained[1].answer["weights"]
    assert sorted(trained[0].rglob("*")) == before


def test_a_training_in_a_read_only_store_starts_no_server(read_only):
    code, out, err = read_only("train", "small.yaml", "--name", "more", "--set", "training.epochs=7")
    failure = FailureAnswer.model_validate_json(out)
    assert (code, failure.status) == (1, "failed")
    assert failure.error.endswith(
        "can't be written (Read-only file system); it is mounted for reading only; name another place; "
        "the existing file is unchanged"
    )
    assert "Traceback" not in err


def test_a_training_in_an_unwritable_store_starts_no_server(forker, project, tmp_path):
    (project / "file").write_text("the user's")
    home = str(tmp_path / "home")
    command = ("train", "small.yaml", "--store", "file/store", "--json")
    typed = forker.type(*command, folder=project, PREFECT_HOME=home, PREFECT_API_URL="")
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status) == (1, "failed")
    assert failure.error.startswith(f"{project / 'file' / 'store'}: can't be written (Not a directory); part of that path is a file")
    assert "Traceback" not in typed.stderr
    assert not (tmp_path / "home").exists(), "no server was started"
    assert (project / "file").read_text() == "the user's"
