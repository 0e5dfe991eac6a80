"""Two concurrent processes, on one run or on two runs with a common start: every epoch is trained once."""

import os
import shutil
import signal
from collections import Counter

import pytest

from flows.answers import FailureAnswer, ResumeAnswer, TrainAnswer
from handler.store.store import Store
from tests.flows.conftest import MODELS
from tests.flows.prefect_records import flow_runs
from tests.flows.waiting import wait_for

pytestmark = pytest.mark.service
GATED = ("--set", "training.callbacks=[{name: 'slow:Gate', epoch: 2}, {name: 'slow:Diary'}]")  # in the segment of epochs 1-3


@pytest.fixture
def project(project):
    shutil.copy(MODELS / "slow.py", project)
    return project


def diary(project):
    """Return how often each process trained each epoch: `{(pid, epoch): times}`."""
    return Counter(tuple(int(n) for n in line.split()) for line in (project / "trained").read_text().splitlines())


def wait_for_words(typed, words):
    wait_for(lambda: words in typed.stderr or not typed.runs(), seconds=90)
    assert words in typed.stderr


def at_the_gate(forker, project, *arguments):
    """Start a training that waits at the end of epoch 2, before it saves the epoch."""
    typed = forker.start("train", "small.yaml", "--store", "s", "--json", *GATED, *arguments, folder=project)
    wait_for(lambda: (project / "waiting").exists() or not typed.runs(), seconds=90)
    assert typed.runs(), typed.stderr
    return typed


def test_a_waiting_process_takes_over_a_run_when_its_process_is_killed(trained, forker, project):
    first = at_the_gate(forker, project)
    command = ("train", "small.yaml", "--store", "s", "--json", *GATED)
    second = forker.type(*command, folder=project)
    failure = FailureAnswer.model_validate(second.answer)
    assert (second.code, failure.run, failure.status) == (75, "small", "busy")
    assert f"run 'small' is being used by process {first.pid} on {os.uname().nodename} since 2" in failure.error
    assert "wait for it to end (--wait), or stop it" in failure.error
    assert failure.resume.startswith("frostline train small.yaml --store s --json")
    third = forker.start(*command, "--wait", folder=project)
    heir = forker.start("resume", "small", "--wait", "--store", "s", "--json", folder=project)
    for waiting in (third, heir):
        wait_for_words(waiting, f"run 'small' is being used by process {first.pid}")
        assert "waiting for it to finish" in waiting.stderr
    os.kill(third.pid, signal.SIGINT)
    failure = FailureAnswer.model_validate(third.wait().answer)
    assert (third.code, failure.status) == (75, "interrupted")
    assert "stopped by SIGINT while waiting: run 'small' is in use" in failure.error
    assert Store(project / "s").runs.read("small").status == "running"  # the record of the first process stays unchanged
    assert first.runs()
    os.kill(first.pid, signal.SIGKILL)
    (project / "go").touch()
    answer = ResumeAnswer.model_validate(heir.wait().answer).runs[0]
    assert answer.weights == trained[1].answer["weights"]
    assert [s.source for s in answer.segments] == ["cached", "resumed", "trained", "trained", "trained"]
    assert diary(project) == {(first.pid, 0): 1, (first.pid, 1): 1} | {(heir.pid, epoch): 1 for epoch in (2, 3, 4, 5)}


def test_a_run_continues_the_shared_start_of_a_killed_run(trained, forker, project):
    first = at_the_gate(forker, project, "--name", "one")
    second = forker.start("train", "small.yaml", "--store", "s", "--json", "--name", "two", *GATED, folder=project)
    wait_for_words(second, "epochs 1-3: another run trains them; waiting for it")
    os.kill(first.pid, signal.SIGKILL)
    (project / "go").touch()
    answer = TrainAnswer.model_validate(second.wait().answer)
    assert answer.weights == trained[1].answer["weights"]
    assert [s.source for s in answer.segments] == ["cached", "resumed", "trained", "trained", "trained"]
    assert diary(project) == {(first.pid, 0): 1, (first.pid, 1): 1} | {(second.pid, epoch): 1 for epoch in (2, 3, 4, 5)}
    assert Store(project / "s").verify() == []


def test_two_concurrent_runs_train_their_shared_start_once(forker, project):
    other = ("--set", "freeze_training[1].initial_learning_rate=0.002")  # from epoch 3 on
    diaries = ("--set", "training.callbacks=[{name: 'slow:Diary'}]")
    two = [
        forker.start("train", "small.yaml", "--store", "s", "--json", "--name", name, *diaries, *sets, folder=project)
        for name, sets in (("one", ()), ("two", other))
    ]
    answers = [TrainAnswer.model_validate(typed.wait().answer) for typed in two]
    trained = Counter(epoch for (_, epoch), times in diary(project).items() for _ in range(times))
    assert trained == {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 2}
    assert answers[0].weights != answers[1].weights


def test_a_waiting_process_answers_from_the_store(trained, forker, project, server):
    first = at_the_gate(forker, project, "--name", "awaited")
    command = ("train", "small.yaml", "--store", "s", "--json", "--name", "awaited", *GATED, "--wait")
    second = forker.start(*command, folder=project)
    wait_for_words(second, "waiting for it to finish")
    (project / "go").touch()
    answers = [TrainAnswer.model_validate(typed.wait().answer) for typed in (first, second)]
    assert {answer.weights for answer in answers} == {trained[1].answer["weights"]}
    assert [s.source for s in answers[1].segments] == ["cached"] * 5
    assert set(diary(project)) == {(first.pid, epoch) for epoch in range(6)}
    assert len(flow_runs(server, "awaited")) == 1


def test_a_signal_ends_the_wait_for_the_epochs_of_another_run(forker, project, server):
    first = at_the_gate(forker, project, "--name", "first")
    command = ("train", "small.yaml", "--store", "s", "--json", "--name", "second", *GATED)
    second = forker.start(*command, folder=project)
    wait_for_words(second, "another run trains them; waiting for it")
    os.kill(second.pid, signal.SIGINT)
    failure = FailureAnswer.model_validate(second.wait().answer)
    assert (second.code, failure.status) == (75, "interrupted")
    record = Store(project / "s").runs.read("second")
    assert (record.status, record.epochs) == ("interrupted", 2)  # the epochs that the first process has saved
    assert flow_runs(server, "second")[0]["state"]["name"] == "Interrupted"
    (project / "go").touch()
    assert first.wait().code == 0
