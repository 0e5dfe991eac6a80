"""`frostline sweep`: runs train shared epochs once, also in parallel, and each ends with the weights of a separate
training.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from flows.answers import FailureAnswer, SweepAnswer, TrainAnswer
from handler.spec.sweep import parse_grid, variants
from handler.store.store import Store
from tests.flows.conftest import MODELS, ROOT
from tests.flows.prefect_records import flow_runs
from tests.flows.waiting import wait_for

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]

RATES = ("--grid", "freeze_training.1.initial_learning_rate=0.005,0.001")  # set at epoch 3
DIARY = ("--set", "training.callbacks=[{name: 'slow:Diary'}]")
NAMES = [variant.name for variant in variants(["small.yaml"], parse_grid(RATES[1:]), DIARY[1:])]


@pytest.fixture
def project(project):
    shutil.copy(MODELS / "slow.py", project)
    return project


def diary(folder):
    """Return the trained epochs of all processes."""
    return sorted(int(line.split()[1]) for line in (folder / "trained").read_text().splitlines())


@pytest.fixture(scope="module")
def alone(forker, tmp_path_factory):
    """Return the answers of the same trainings, each run alone."""
    folder = tmp_path_factory.mktemp("alone")
    for file in ("small.py", "small.yaml"):
        shutil.copy(MODELS / file, folder)
    sets = [f"freeze_training.1.initial_learning_rate={rate}" for rate in ("0.005", "0.001")]
    typed = [forker.type("train", "small.yaml", "--store", rate, "--json", "--set", rate, folder=folder) for rate in sets]
    return [TrainAnswer.model_validate(one.answer) for one in typed]


@pytest.mark.parametrize("way", ["processes", "dask"])
def test_a_sweep_trains_a_shared_start_once_bit_identically(
    way, forker, project, server, request, alone
):
    more = ("--processes", "2") if way == "processes" else ("--dask", request.getfixturevalue("cluster"))
    typed = forker.type("sweep", "small.yaml", *RATES, *DIARY, *more, "--store", "s", "--json", "--name", way, folder=project)
    assert typed.code == 0, typed.stderr
    answer = SweepAnswer.model_validate(typed.answer)
    assert [run.run for run in answer.runs] == NAMES
    assert (answer.epochs, answer.shared_epochs, answer.trained_epochs) == (12, 3, 9)
    assert diary(project) == [0, 1, 2, 3, 3, 4, 4, 5, 5]
    assert answer.runs[0].weights != answer.runs[1].weights
    for run, apart in zip(answer.runs, alone, strict=True):
        assert (run.weights, run.history) == (apart.weights, apart.history)
    page = (project / answer.report).read_text()
    assert "3 of 12" in page
    assert all(run.run in page for run in answer.runs)
    (flow_run,) = flow_runs(server, way)
    assert flow_run["state"]["name"] == "Completed"
    assert {task["name"] for task in flow_run["tasks"]} == set(NAMES)
    (project / "trained").unlink()
    again = forker.type("sweep", "small.yaml", *RATES, *DIARY, *more, "--store", "s", "--json", "--name", way, folder=project)
    assert SweepAnswer.model_validate(again.answer).trained_epochs == 0
    assert not (project / "trained").exists()
    assert Store(project / "s").verify() == []


@pytest.fixture
def cluster(project, clean_environment, server):
    """Yield the address of a Dask cluster of two processes, which know only the project's environment."""
    program = (
        "import sys, time\n"
        "from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, host='127.0.0.1', dashboard_address=None) as c:\n"
        "        print(c.scheduler_address, flush=True)\n"
        "        sys.stdin.read()\n"
    )
    (project / "cluster.py").write_text(program)
    environment = clean_environment | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": server.api_url, "PREFECT_HOME": str(server.home)}
    process = subprocess.Popen([sys.executable, "cluster.py"], cwd=project, env=environment, text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    with process:
        yield process.stdout.readline().strip()
        process.stdin.close()


def test_an_invalid_run_of_a_sweep_is_named_before_any_run_starts(forker, project):
    typed = forker.type("sweep", "small.yaml", "--grid", "training.epochs=6,0", "--store", "s", "--json", folder=project)
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status) == (2, "refused")
    assert failure.error.startswith("training.epochs: ")
    assert re.search(r"\(in small-epochs-0-[0-9a-f]{8}\)$", failure.error)
    assert not (project / "s").exists()


def test_a_sweep_completes_the_other_runs_if_one_fails(forker, project):
    gate = "[[], [{name: 'slow:Glutton', epoch: 2, of: disk}]]"
    grid = ("--grid", f"training.callbacks={gate[1:-1]}", "--processes", "2")
    typed = forker.type("sweep", "small.yaml", *grid, "--store", "s", "--json", folder=project)
    answer = SweepAnswer.model_validate(typed.answer)
    assert typed.code == 1
    assert [run.status for run in answer.runs] == ["completed", "failed"]
    assert "No space left on device" in answer.runs[1].error
    assert answer.runs[1].run in typed.stderr
    assert answer.runs[0].run in (project / answer.report).read_text()


@pytest.mark.parametrize("to_all", [True, False], ids=["as a terminal does", "to the sweep alone"])
def test_a_stopped_sweep_resumes_every_run_from_its_saved_state(to_all, forker, project, server):
    slow = ("--set", "data.source=slow:arrays", "--set", "data.args={examples: 20000}", "--set", "training.batch_size=8",
            "--set", "training.callbacks=[{name: 'slow:Beacon'}]", "--set", "freeze_training=[]", "--set", "training.epochs=3")  # fmt: skip
    name = "stopped-all" if to_all else "stopped-alone"
    command = ("sweep", "small.yaml", "--grid", "seed=1,2", *slow, "--processes", "2", "--store", "s", "--json", "--name", name)
    typed = forker.start(*command, folder=project)
    store = Store(project / "s")

    def both_train() -> bool:
        return (project / "began").exists() and [store.runs.read(run).status for run in store.runs.names()] == ["running"] * 2

    wait_for(lambda: both_train() or not typed.runs(), seconds=180)
    time.sleep(2)
    number = signal.SIGINT if to_all else signal.SIGTERM
    (os.killpg if to_all else os.kill)(typed.pid, number)
    typed.wait()
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status) == (75, "interrupted"), typed.stderr
    assert failure.resume.startswith("frostline sweep small.yaml --grid seed=1,2")
    assert store.runs.active_names() == []
    assert {store.runs.read(run).status for run in store.runs.names()} == {"interrupted"}
    assert flow_runs(server, name)[0]["state"]["name"] == "Interrupted"
    answer = SweepAnswer.model_validate(forker.type(*command, folder=project).answer)
    assert [run.status for run in answer.runs] == ["completed", "completed"]
    assert any(run.segments[0].source == "resumed" for run in answer.runs)
