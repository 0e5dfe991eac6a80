"""Stop requests during a slow or endless operation: the process ends, no saved state is lost, and the run can be
resumed.
"""

import itertools
import os
import shlex
import shutil
import signal

import pytest

from flows.answers import FailureAnswer, TrainAnswer
from handler.store.store import Store
from tests.flows.conftest import MODELS
from tests.flows.prefect_records import flow_runs
from tests.flows.waiting import wait_for, wait_for_steps

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

BEACON = "training.callbacks=[{name: 'slow:Beacon'}]"
STEPS = (  # 150 steps an epoch
    "--set", "data.source=slow:arrays", "--set", "data.args={examples: 1200}", "--set", "training.batch_size=8",
    "--set", "model.architecture=slow:pausing", "--set", "freeze_training=[]", "--set", "training.snapshot={steps: 7}",
    "--set", BEACON,
)
HOLDS = {  # the slow operation: the delayed call, and the options that the command needs to reach it
    "data": ({"point": "pre-fit"}, ()),
    "tracing": ({"point": "tracing"}, ()),
    "state": ({"point": "state", "at": 2}, ()),
    "backup": ({"point": "backup"}, ("--set", "training.in_place=true")),
    "validation": ({"point": "validation"}, ("--set", "data.validation=small:arrays")),
    "post-fit": ({"point": "post-fit"}, ()),
    "restore": ({"point": "restore"}, ("--set", "training.in_place=true", "--set", BEACON, "--set", "data.source=slow:arrays")),
}


def folder_for(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("small.py", "small.yaml", "slow.py"):
        shutil.copy(MODELS / file, folder)
    return folder


def ended(typed):
    """Return the exit code of a process that was asked to stop.

    Its current operation takes ten minutes; the process has to end within half a minute.
    """
    wait_for(lambda: not typed.runs(), seconds=60)  # 25 s on an idle machine
    return typed.wait().code


def assert_interrupted(typed, name, command, folder, server):
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.run, failure.status) == (75, name, "interrupted"), typed.stderr
    assert failure.resume == shlex.join(["frostline", *command])
    assert f"to resume: {failure.resume}" in typed.stderr
    record = Store(folder / "s").runs.read(name)
    assert record.status == "interrupted"
    run = flow_runs(server, name)[0]
    assert (run["state"]["type"], run["state"]["name"]) == ("CANCELLED", "Interrupted")
    assert {task["state"]["type"] for task in run["tasks"]} <= {"COMPLETED", "CRASHED"}
    return failure, record


def test_a_stop_within_a_slow_or_endless_step_resumes_to_identical_weights(
    forker, tmp_path, server
):
    started = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        for seconds in (8, 600):
            name = f"{number.name.lower()}-{seconds}"
            folder, command = folder_for(tmp_path, name), ("train", "small.yaml", "--store", "s", "--name", name, "--json", *STEPS)
            (folder / "pause").write_text(str(seconds))
            started[name] = (forker.start(*command, folder=folder), folder, command, number, seconds)
    for typed, folder, _, number, _ in started.values():
        wait_for_steps(typed, folder)
        wait_for((folder / "pausing").exists, seconds=60)
        os.killpg(typed.pid, number)
    for name, (typed, folder, command, number, seconds) in started.items():
        ended(typed)
        failure, record = assert_interrupted(typed, name, command, folder, server)
        assert failure.error == record.error or "its state is saved" in failure.error
        steps = [int(key.rpartition("-")[2]) for key in Store(folder / "s").states.names() if "-step-" in key]
        assert number.name in record.error
        if seconds == 8:  # the state contains the interrupted step
            assert max(steps) > 21, steps
        else:
            assert max(steps) >= 14
            assert max(steps) % 7 == 0
            within = [int(key.rpartition("-")[2]) for key in Store(folder / "s").states.names()
                      if key.startswith(f"{record.chain[record.epochs + 1]}-step-")]  # empty if an epoch has just begun
            and_steps = f" and {max(within)} steps" if within else ""
            assert record.error.endswith(f"the run resumes from the saved state after {record.epochs} epochs{and_steps}")
        (folder / "pause").unlink()
    again = {name: forker.start(*command, folder=folder) for name, (_, folder, command, *_) in started.items()}
    whole = forker.start("train", "small.yaml", "--store", "s", "--json", *STEPS, folder=folder_for(tmp_path, "whole"))
    expected = TrainAnswer.model_validate(whole.wait().answer)
    for name, typed in again.items():
        answer = TrainAnswer.model_validate(typed.wait().answer)
        assert (answer.weights, answer.history) == (expected.weights, expected.history), name
        assert answer.segments[0].source == "resumed"


def test_a_stop_within_any_slow_operation_resumes_to_identical_weights(
    forker, tmp_path, server, trained
):
    started = {}
    numbers = dict(zip(HOLDS, itertools.cycle((signal.SIGTERM, signal.SIGINT)), strict=False))
    for name, (hold, sets) in HOLDS.items():
        number = numbers[name]
        run, folder = f"{number.name.lower()}-{name}", folder_for(tmp_path, name)
        command = ("train", "small.yaml", "--store", "s", "--name", run, "--json", *sets)
        started[name] = (run, forker.start(*command, folder=folder, hold=hold), folder, command)
    for name, (_, typed, folder, _) in started.items():
        marker = folder / ("began" if name == "restore" else "held")
        wait_for(lambda marker=marker, typed=typed: marker.exists() or not typed.runs(), seconds=240)
        assert typed.runs(), (name, typed.stderr)
        os.killpg(typed.pid, numbers[name])
    for name, (run, typed, folder, command) in started.items():
        number = numbers[name]
        ended(typed)
        failure, record = assert_interrupted(typed, run, command, folder, server)
        assert number.name in failure.error, name
        assert record.history.get("loss", []) == trained[1].answer["history"]["loss"][: record.epochs] or name == "restore"
        assert Store(folder / "s").verify() == []
    del started["restore"]  # it uses other data
    again = {name: forker.start(*command, folder=folder) for name, (_, _, folder, command) in started.items()}
    for name, typed in again.items():
        assert TrainAnswer.model_validate(typed.wait().answer).weights == trained[1].answer["weights"], name
