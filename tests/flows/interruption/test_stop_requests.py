"""Ctrl-C and SIGTERM: the state is saved, the run is marked as interrupted, and the prompt returns with nothing left
over.
"""

import contextlib
import os
import shlex
import shutil
import signal

import pytest

from flows.answers import FailureAnswer, TrainAnswer
from handler.store.store import Store
from tests.flows.conftest import MODELS
from tests.flows.prefect_records import flow_runs
from tests.flows.server_state import processes_of
from tests.flows.terminal import in_terminal, read_until
from tests.flows.waiting import wait_for, wait_for_steps

CALLBACKS = "training.callbacks=[{name: 'slow:Beacon'}]"
SLOW = ("--set", "data.source=slow:arrays", "--set", CALLBACKS, "--set", "training.batch_size=8")


@pytest.fixture
def project(project):
    shutil.copy(MODELS / "slow.py", project)
    return project


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_one_snapshot_and_names_the_resume_command(number, forker, project, server):
    name = f"stopped-{number.name.lower()}"
    command = ("train", "small.yaml", "--store", "s", "--name", name, "--json", *SLOW)
    typed = forker.start(*command, folder=project)
    wait_for_steps(typed, project)
    os.killpg(typed.pid, number)
    typed.wait()
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.run, failure.status) == (75, name, "interrupted")
    assert failure.resume == shlex.join(["frostline", *command])
    assert f"to resume: {failure.resume}" in typed.stderr
    store = Store(project / "s")
    record = store.runs.read(name)
    assert record.status == "interrupted"
    assert number.name in record.error
    within = [key for key in store.states.names() if "-step-" in key]
    assert len(within) == 1
    assert store.verify() == []
    run = flow_runs(server, name)[0]
    assert (run["state"]["type"], run["state"]["name"]) == ("CANCELLED", "Interrupted")
    assert run["tasks"][-1]["state"]["type"] == "CRASHED"


@pytest.mark.service
def test_a_training_stopped_mid_epoch_resumes_to_identical_weights(forker, project):
    command = ("train", "small.yaml", "--json", *SLOW, "--set", "data.args={examples: 4000}")
    typed = forker.start(*command, "--store", "s", folder=project)
    wait_for_steps(typed, project)
    os.killpg(typed.pid, signal.SIGINT)
    assert typed.wait().code == 75
    whole = forker.start(*command, "--store", "whole", folder=project)
    answer = TrainAnswer.model_validate(forker.type(*command, "--store", "s", folder=project).answer)
    expected = TrainAnswer.model_validate(whole.wait().answer)
    assert answer.segments[0].source == "resumed"
    assert (answer.weights, answer.history) == (expected.weights, expected.history)


@pytest.mark.service
def test_ctrl_c_in_a_terminal_also_ends_the_embedded_server(project, clean_environment, tmp_path):
    home = tmp_path / "prefect"
    environment = clean_environment | {"PREFECT_HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "120"}
    process, terminal = in_terminal(["train", "small.yaml", "--store", "s", *SLOW], project, environment)
    try:
        shown = read_until(terminal, b"step ")
        assert b"all layers train" in shown
        os.write(terminal, b"\x03")
        shown = read_until(terminal, b"to resume:")
        assert process.wait(30) == 75
        assert b"stopping; the state is saved first" in shown
        wait_for(lambda: not processes_of(home))
        assert not (home / "frostline-server.json").exists()
        assert Store(project / "s").runs.read("small").status == "interrupted"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(terminal)


def test_a_stop_during_the_start_up_is_an_interruption(forker, project, server):
    code = (project / "small.py").read_text()
    (project / "small.py").write_text("import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(1)\n" + code)
    typed = forker.start("train", "small.yaml", "--store", "s", "--name", "early", "--json", folder=project)
    wait_for(lambda: (project / "loading").exists() or not typed.runs())
    os.killpg(typed.pid, signal.SIGINT)
    typed.wait()
    assert typed.code == 75, typed.stderr
    assert typed.answer["status"] == "interrupted"
    assert not list((project / "s").glob("states/*/manifest.json")), "no step was trained"
