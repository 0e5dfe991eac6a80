"""An outage of Prefect's server: the training does not stop, and the server's record is complete after the outage."""

import contextlib
import os
import shutil
import signal
import time
from functools import partial

import pytest

from flows.answers import FailureAnswer, TrainAnswer
from handler.store.store import Store
from tests.flows.conftest import MODELS
from tests.flows.own_server import OwnServer, free_port
from tests.flows.prefect_records import events, flow_runs, read
from tests.flows.server_state import processes_of
from tests.flows.waiting import wait_for, wait_for_server

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]
STAGES = [
    "plan", "pre-fit", "epochs 0-1, all layers train", "epochs 1-3, 2 layers frozen", "epochs 3-4, 1 layer frozen",
    "epochs 4-5, 1 layer frozen", "epochs 5-6, all layers train", "post-fit", "report",
]  # fmt: skip


@pytest.fixture
def own(tmp_path, clean_environment):
    server = OwnServer(tmp_path / "own", free_port(), clean_environment)
    server.start()
    yield server
    server.kill()


def gated(forker, folder, name, *epochs, **environment):
    """Start a training that waits at the end of each of these epochs, before it saves the epoch."""
    folder.mkdir()
    for file in ("small.py", "small.yaml", "slow.py"):
        shutil.copy(MODELS / file, folder)
    gates = ", ".join(f"{{name: 'slow:Gate', epoch: {epoch}, named: '-{epoch}'}}" for epoch in epochs)
    sets = ("--set", f"training.callbacks=[{gates}]")
    return forker.start("train", "small.yaml", "--store", "s", "--json", "--name", name, *sets, folder=folder, **environment)


def wait_at(typed, folder, epoch):
    wait_for(lambda: (folder / f"waiting-{epoch}").exists() or not typed.runs(), seconds=240)
    assert typed.runs(), typed.stderr


def assert_recorded(server, name, folder, typed, trained):
    answer = TrainAnswer.model_validate(typed.wait().answer)
    assert (typed.code, answer.status, answer.weights) == (0, "completed", trained[1].answer["weights"]), typed.stderr
    assert Store(folder / "s").runs.read(name).status == "completed"
    (run,) = flow_runs(server, name)
    assert run["state"]["name"] == "Completed"
    assert [(task["name"], task["state"]["name"]) for task in run["tasks"]] == [(stage, "Completed") for stage in STAGES]
    artifacts = read(server, "artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert {artifact["key"] for artifact in artifacts} == {f"{what}-{name}" for what in ("plan", "result", "curves", "page")}
    completed = partial(events, server, "frostline.epoch.completed", name)
    wait_for_server(lambda: {event["payload"]["epoch"] for event in completed()} == {*range(6)})
    assert "hasn't recorded" not in typed.stderr


def test_a_training_survives_a_minute_without_the_server_at_any_stage(own, forker, tmp_path, trained):
    gates = {"middle": (1, 4), "boundary": (2, 3), "end": (5,)}
    folders = {name: tmp_path / name for name in gates}
    runs = {name: gated(forker, folders[name], name, *at, PREFECT_API_URL=own.api_url) for name, at in gates.items()}
    for name, (first, *_) in gates.items():
        wait_at(runs[name], folders[name], first)
    own.kill()
    gone = time.monotonic()
    for name, (first, *_) in gates.items():
        (folders[name] / f"go-{first}").touch()
    wait_at(runs["middle"], folders["middle"], 4)  # two segments later
    wait_at(runs["boundary"], folders["boundary"], 3)  # beyond the boundary at which it was
    wait_for(lambda: "waiting for Prefect's server to come back" in runs["end"].stderr, seconds=120)
    assert Store(folders["end"] / "s").runs.read("end").status == "completed"
    assert runs["end"].runs()
    assert not own.answers()
    time.sleep(max(0.0, gone + 60 - time.monotonic()))
    own.start()
    for name in ("middle", "boundary"):
        (folders[name] / f"go-{gates[name][-1]}").touch()
    for name, typed in runs.items():
        assert_recorded(own, name, folders[name], typed, trained)


def test_ctrl_c_ends_the_wait_for_a_server_that_does_not_return(own, forker, tmp_path, trained):
    folder = tmp_path / "project"
    typed = gated(forker, folder, "lonely", 5, PREFECT_API_URL=own.api_url)
    wait_at(typed, folder, 5)
    own.kill()
    (folder / "go-5").touch()
    wait_for(lambda: "waiting for Prefect's server to come back" in typed.stderr, seconds=120)
    os.kill(typed.pid, signal.SIGINT)
    answer = TrainAnswer.model_validate(typed.wait().answer)
    assert (typed.code, answer.status, answer.weights) == (0, "completed", trained[1].answer["weights"])
    assert "the training is complete, but Prefect's server couldn't be notified" in typed.stderr
    assert "Traceback" not in typed.stderr


def test_a_training_stopped_during_an_outage_is_interrupted(own, forker, tmp_path):
    folder = tmp_path / "project"
    typed = gated(forker, folder, "stopped", 3, PREFECT_API_URL=own.api_url)
    wait_at(typed, folder, 3)
    own.kill()
    os.kill(typed.pid, signal.SIGTERM)
    (folder / "go-3").touch()
    failure = FailureAnswer.model_validate(typed.wait().answer)
    assert (typed.code, failure.status) == (75, "interrupted")
    assert "stopped by SIGTERM" in failure.error
    assert "Traceback" not in typed.stderr
    record = Store(folder / "s").runs.read("stopped")
    assert (record.status, record.epochs >= 3) == ("interrupted", True)


@pytest.fixture
def alone(clean_environment, tmp_path):
    """Return the environment of a command with a separate embedded server."""
    return clean_environment | {"PREFECT_HOME": str(tmp_path / "home"), "PREFECT_API_URL": ""}


def test_a_killed_embedded_server_restarts_with_a_complete_record(alone, forker, tmp_path, trained):
    folder, home = tmp_path / "project", tmp_path / "home"
    typed = gated(forker, folder, "held", 1, 5, **alone)
    wait_at(typed, folder, 1)
    other = embedded(home)
    server = next(pid for pid in processes_of(home) if pid != other.pid)
    os.kill(server, signal.SIGKILL)
    (folder / "go-1").touch()
    wait_at(typed, folder, 5)
    other.wait()
    (folder / "go-5").touch()
    assert_recorded(other, "held", folder, typed, trained)
    other.release()


def test_a_training_completes_although_its_embedded_server_is_lost(alone, forker, tmp_path, trained):
    folder, home = tmp_path / "project", tmp_path / "home"
    typed = gated(forker, folder, "unheld", 1, **alone)
    wait_at(typed, folder, 1)
    for pid in processes_of(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    (folder / "go-1").touch()
    answer = TrainAnswer.model_validate(typed.wait().answer)
    assert (typed.code, answer.status, answer.weights) == (0, "completed", trained[1].answer["weights"])
    assert "the training is complete, but Prefect's server couldn't be notified" in typed.stderr
    assert "waiting for Prefect's server" not in typed.stderr  # the embedded server does not come back


def embedded(home):
    """Return a reference to the embedded server of a home."""
    from flows.prefect_server.embedded import start_or_join

    return start_or_join(home)
