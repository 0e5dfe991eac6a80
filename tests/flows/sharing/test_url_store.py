"""Trainings in a store at a URL, on an S3 server with random faults: killed on one machine and resumed on another,
bit-identically.
"""

import os
import shutil
import signal

import pytest

from flows.answers import TrainAnswer
from handler.store.store import Store
from tests.flows.conftest import MODELS
from tests.flows.waiting import wait_for

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

SETS = ("--set", "training.callbacks=[{name: 'slow:Diary'}, {name: CSVLogger, filename: log.csv}, {name: 'slow:Gate', epoch: 3}]",
        "--set", "training.snapshot={steps: 5}")  # fmt: skip


@pytest.fixture
def machine(s3, forker, tmp_path):
    """Return a function that creates machines, each with its own folder and cache."""

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("small.py", "small.yaml", "slow.py"):
            shutil.copy(MODELS / file, folder)
        (folder / "go").touch()
        given = {"folder": folder, "FROSTLINE_CACHE": str(tmp_path / f"{name}-cache"), "FROSTLINE_LEASE_SECONDS": "3", **s3.environment}
        return folder, lambda *words: forker.start(*words, **given)

    return make


def test_a_killed_run_at_a_url_resumes_on_another_machine(machine, s3, trained):
    url = "s3://bucket/killed"
    (here, one), (second, other) = machine("one"), machine("other")
    (here / "go").unlink()
    s3.unreliable(7, 0.15)
    killed = one("train", "small.yaml", "--store", url, "--json", *SETS)
    wait_for(lambda: (here / "waiting").exists() or not killed.runs(), seconds=200)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    typed = other("train", "small.yaml", "--store", url, "--wait", "--json", *SETS).wait()
    answer = TrainAnswer.model_validate(typed.answer)
    whole = trained[1].answer
    assert (answer.status, answer.weights, answer.history) == ("completed", whole["weights"], whole["history"])
    assert answer.segments[0].source == "cached"
    assert {int(line.split()[1]) for line in (second / "trained").read_text().splitlines()} <= {3, 4, 5}
    assert answer.report == f"{url}/runs/small/report.html"
    s3.fault = lambda method, path: None
    third = machine("third")[1]
    assert third("verify", "--store", url).wait().code == 0
    again = TrainAnswer.model_validate(third("train", "small.yaml", "--store", url, "--json", *SETS).wait().answer)
    assert (again.weights, [segment.source for segment in again.segments]) == (whole["weights"], ["cached"] * 5)
    log = s3.client.get_object(Bucket="bucket", Key="killed/runs/small/log.csv")["Body"].read().decode().splitlines()
    assert [line.split(",")[0] for line in log] == ["epoch", "0", "1", "2", "3", "4", "5"]
    assert s3.failed.total() > 20
    secrets = [value for name, value in s3.environment.items() if "SECRET" in name]
    for part in ("report.html", "run.json"):
        text = s3.client.get_object(Bucket="bucket", Key=f"killed/runs/small/{part}")["Body"].read().decode()
        assert not any(secret in text for secret in secrets)


def test_two_machines_train_a_shared_start_once(machine, s3, monkeypatch, tmp_path):
    s3.fault = lambda method, path: None
    url = "s3://bucket/shared"
    machines = [machine("one"), machine("other")]
    rate = "freeze_training.1.initial_learning_rate"  # set at epoch 3
    typed = [
        type_("train", "small.yaml", "--store", url, "--name", f"run-{n}", "--json", "--set", f"{rate}={n / 100}", *SETS)
        for n, (_, type_) in enumerate(machines, 1)
    ]
    answers = [TrainAnswer.model_validate(one.wait().answer) for one in typed]
    epochs = [int(line.split()[1]) for folder, _ in machines for line in (folder / "trained").read_text().splitlines()]
    assert sorted(epochs) == [0, 1, 2, 3, 3, 4, 4, 5, 5]
    assert answers[0].weights != answers[1].weights
    for name, value in (s3.environment | {"FROSTLINE_CACHE": str(tmp_path / "reader")}).items():
        monkeypatch.setenv(name, value)
    assert Store(url).runs.active_names() == []
