"""Ctrl-C and SIGTERM: the state is saved, the run is marked as interrupted, and the prompt returns with nothing left
over.
"""

import contextlib
import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.answers import FailureAnswer, TrainAnswer
from handler.store import Store
from tests.flows.conftest import MODELS
from tests.flows.prefect_records import flow_runs
from tests.flows.test_server import processes_of, wait_for

CALLBACKS = "training.callbacks=[{name: 'slow:Beacon'}]"
SLOW = ("--set", "data.source=slow:arrays", "--set", CALLBACKS, "--set", "training.batch_size=8")


@pytest.fixture
def project(project):
    shutil.copy(MODELS / "slow.py", project)
    return project


def wait_for_steps(typed, folder):
    """Wait until a training is a few steps into its first epoch."""
    wait_for(lambda: (folder / "began").exists() or not typed.runs(), seconds=90)
    assert typed.runs(), typed.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_state_and_the_same_command_goes_on_from_it(number, forker, project, server):
    name = f"stopped-{number.name.lower()}"
    command = ("train", "small.yaml", "--store", "s", "--name", name, "--json", *SLOW)
    typed = forker.start(*command, folder=project)
    wait_for_steps(typed, project)
    os.killpg(typed.pid, number)
    typed.wait()
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.run, failure.status) == (75, name, "interrupted")
    assert failure.resume == shlex.join(["frostline", *command])
    assert f"to go on: {failure.resume}" in typed.stderr
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
def test_a_training_stopped_within_an_epoch_ends_with_the_weights_of_one_that_wasnt(forker, project):
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
def test_ctrl_c_in_a_terminal_ends_everything_the_embedded_server_too(project, clean_environment, tmp_path):
    home = tmp_path / "prefect"
    environment = clean_environment | {"PREFECT_HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "120"}
    process, terminal = in_terminal(["train", "small.yaml", "--store", "s", *SLOW], project, environment)
    try:
        shown = read_until(terminal, b"step ")
        assert b"all layers train" in shown
        os.write(terminal, b"\x03")
        shown = read_until(terminal, b"to go on:")
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


def test_a_stop_before_the_training_began_begins_nothing(forker, project, server):
    typed = forker.start("train", "small.yaml", "--store", "s", "--name", "early", "--json", folder=project)
    time.sleep(0.3)
    wait_for(lambda: typed.err.exists(), seconds=30)
    os.killpg(typed.pid, signal.SIGINT)
    typed.wait()
    if typed.code == -signal.SIGINT or typed.code == 130:  # before the command's first line
        return
    assert typed.code == 75
    assert typed.answer["status"] == "interrupted"


def in_terminal(arguments, folder, environment):
    """Start the command as the foreground process of a new terminal; return the process and the terminal's other end.
    """
    ours, theirs = pty.openpty()
    program = "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    frostline = Path(sys.executable).with_name("frostline")
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(frostline), *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment,
    )
    os.close(theirs)
    return process, ours


def read_until(terminal, wanted, seconds=90):
    shown, end = b"", time.monotonic() + seconds
    while wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], 1)
        assert time.monotonic() < end, shown.decode(errors="replace")[-2000:]
        if ready:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
    return shown
