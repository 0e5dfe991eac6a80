"""`prefect.yaml` on a real server: deployed from a fresh copy, scheduled by its crons, and `train` run by a worker."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from handler.records import RunRecord
from handler.store.store import Store
from tests.flows.conftest import ROOT
from tests.flows.machines import kill
from tests.flows.prefect_records import deployments, flow_runs, process_of, read, start_run, started
from tests.flows.waiting import wait_for, wait_for_server

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]


def test_prefect_yaml_contains_no_path_or_host_of_one_machine():
    text = (ROOT / "prefect.yaml").read_text()
    assert str(ROOT) not in text
    assert "http" not in text
    assert str(Path.home()) not in text


def test_all_deployments_exist_with_the_specifications_schema(deployed, server):
    by_name = deployments(server)
    assert set(by_name) == {"train", "nightly", "resume", "sweep", "housekeeping"}
    schema = by_name["train"]["parameter_openapi_schema"]
    assert {"spec", "spec_file", "store", "name"} <= set(schema["properties"])
    assert "batch_size" in schema["definitions"]["TrainingOptions"]["properties"]
    assert by_name["train"]["enforce_parameter_schema"]


@pytest.mark.parametrize("name", ["nightly", "resume", "housekeeping"])
def test_each_cron_schedules_flow_runs(name, deployed, server):
    deployment = deployments(server)[name]

    def scheduled():
        query = {"deployments": {"id": {"any_": [deployment["id"]]}},
                 "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        return len(read(server, "flow_runs/filter", query)) >= 2

    wait_for_server(scheduled, seconds=240)


def test_the_server_refuses_a_specification_with_an_unknown_key(deployed, prefect):
    typed = prefect("deployment", "run", "train/train", "--param", 'spec={"name": "x", "traning": {}}')
    assert typed.returncode != 0
    assert "traning" in typed.stdout + typed.stderr


@pytest.mark.parametrize("parameters", [{"spec_file": "/etc/passwd"}, {"store": "/etc/frostline"}, {"folder": "/etc"}], ids=str)
def test_a_worker_refuses_paths_outside_its_project(parameters, worker, prefect, server, clone):
    name = f"hostile-{'-'.join(parameters)}"
    spec = {} if "folder" not in parameters else {"spec_file": None, "spec": json.dumps(yaml.safe_load((clone / "small.yaml").read_text()))}
    start_run(prefect, name, **(spec | parameters))
    run = started(server, name)
    assert run["state"]["name"] == "Failed"
    assert "outside of the worker's project" in run["state"]["message"]
    assert "root:" not in run["state"]["message"]


def test_a_worker_and_the_command_train_identical_weights(worker, prefect, server, clone, trained):
    typed = prefect("deployment", "run", "train/train", "--param", "spec_file=small.yaml", "--param", "store=stored",
                    "--param", "name=by-worker")
    assert typed.returncode == 0, typed.stderr
    run = started(server, "by-worker")
    assert run["state"]["name"] == "Completed", run["state"]
    record = Store(clone / "stored").runs.read("by-worker")
    assert (record.status, record.weights) == ("completed", trained[1].answer["weights"])
    assert [task["name"] for task in run["tasks"]][:3] == ["plan", "pre-fit", "epochs 0-1, all layers train"]


def test_the_server_refuses_a_policy_that_keeps_fewer_than_two_runs(deployed, prefect):
    typed = prefect("deployment", "run", "housekeeping/housekeeping", "--param", 'keep={"newest": 1}')
    assert typed.returncode != 0
    assert "minimum of 2" in " ".join((typed.stdout + typed.stderr).split())


def test_housekeeping_on_a_worker_drops_the_runs_outside_the_policy(worker, prefect, server, clone):
    store = Store(clone / "kept-house")
    for number, name in enumerate(("oldest", "older", "newest")):
        now = f"2026-01-0{number + 1}T00:00:00+00:00"
        store.runs.write(RunRecord(run=name, status="completed", key="0" * 32, seed=0, training_epochs=1, started=now, updated=now,
                                   spec_folder="."))  # fmt: skip
    typed = prefect("deployment", "run", "housekeeping/housekeeping", "--param", "store=kept-house",
                    "--param", 'keep={"newest": 2, "days": 0}')  # fmt: skip
    assert typed.returncode == 0, typed.stderr
    wait_for(lambda: not store.runs.folder("oldest").exists(), seconds=120)
    assert store.runs.names() == ["newest", "older"]


def test_a_run_cancelled_in_prefect_saves_its_state(worker, prefect, server, clone):
    typed = prefect("deployment", "run", "train/train", "--param", "spec_file=small.yaml", "--param", "name=cancelled",
                    "--param", "store=stopped", "--param",
                    """overrides=["data.source=slow:arrays", "training.callbacks=[{name: 'slow:Beacon'}]"]""")
    assert typed.returncode == 0, typed.stderr
    wait_for((clone / "began").exists, seconds=120)
    run = flow_runs(server, "cancelled")[0]
    assert prefect("flow-run", "cancel", run["id"]).returncode == 0
    run = started(server, "cancelled")
    assert run["state"]["name"] == "Cancelled"
    store = Store(clone / "stopped")
    wait_for(lambda: not store.runs.is_alive("cancelled"))
    assert store.runs.read("cancelled").status == "interrupted"
    assert any("-step-" in key for key in store.states.names())


def test_a_terminated_flow_process_saves_its_state(worker, prefect, server, clone):
    (clone / "began").unlink(missing_ok=True)
    typed = prefect("deployment", "run", "train/train", "--param", "spec_file=small.yaml", "--param", "name=terminated",
                    "--param", "store=terminated", "--param",
                    """overrides=["data.source=slow:arrays", "training.callbacks=[{name: 'slow:Beacon'}]"]""")
    assert typed.returncode == 0, typed.stderr
    wait_for((clone / "began").exists, seconds=120)
    holder = (clone / "terminated" / "runs" / "terminated" / "lock").read_text()  # "process 123 on host"
    os.kill(int(holder.split()[1]), signal.SIGTERM)
    assert started(server, "terminated")["state"]["name"] == "Crashed"
    store = Store(clone / "terminated")
    assert store.runs.read("terminated").status == "interrupted"
    assert any("-step-" in key for key in store.states.names())


STEPS = (
    "data.source=slow:arrays", "data.args={examples: 1200}", "training.batch_size=8", "training.epochs=3", "freeze_training=[]",
    "model.architecture=slow:pausing", "training.snapshot={steps: 7}", "training.callbacks=[{name: 'slow:Beacon'}]",
)  # fmt: skip


@pytest.fixture
def paused(prefect, server, clone):
    """Return a function that starts runs, and waits until each is inside a step that takes ten minutes."""

    def start(*names):
        for file in ("began", "pausing"):
            (clone / file).unlink(missing_ok=True)
        (clone / "pause").write_text("600")
        for name in names:
            start_run(prefect, name, *STEPS)
        wait_for(lambda: (clone / "pausing").exists() and len((clone / "pausing").read_text().split()) == len(names), seconds=240)
        return [process_of(clone, name) for name in names]

    yield start
    (clone / "pause").unlink(missing_ok=True)


def test_a_stopped_flow_process_ends_even_within_an_endless_step(worker, prefect, server, clone, paused):
    names = ["endless-cancelled", "endless-terminated", "endless-interrupted"]
    processes = dict(zip(names, paused(*names), strict=True))
    os.kill(processes["endless-terminated"], signal.SIGTERM)
    os.kill(processes["endless-interrupted"], signal.SIGINT)
    assert prefect("flow-run", "cancel", flow_runs(server, "endless-cancelled")[0]["id"]).returncode == 0
    saved = []
    for name, ending in zip(names, ("Cancelled", "Crashed", "Crashed"), strict=True):
        run = started(server, name)
        assert (name, run["state"]["name"]) == (name, ending)
        store = Store(clone / name)
        wait_for(lambda store=store, name=name: not store.runs.is_alive(name))
        record = store.runs.read(name)
        assert record.status == "interrupted"
        assert "the current operation took too long" in record.error
        steps = [int(key.rpartition("-")[2]) for key in store.states.names() if "-step-" in key]
        assert (f"{record.epochs} epochs and {max(steps)} steps" if steps else "its beginning") in record.error
        assert store.verify() == []
        saved += steps
    assert max(saved) >= 14  # at least one of them had got that far


def test_an_interrupted_flow_process_saves_its_state(worker, prefect, server, clone):
    (clone / "began").unlink(missing_ok=True)
    start_run(prefect, "ctrl-c", "data.source=slow:arrays", "training.callbacks=[{name: 'slow:Beacon'}]")
    wait_for((clone / "began").exists, seconds=120)
    os.kill(process_of(clone, "ctrl-c"), signal.SIGINT)
    run = started(server, "ctrl-c")
    assert (run["state"]["type"], run["state"]["name"]) == ("CANCELLED", "Interrupted")
    assert Store(clone / "ctrl-c").runs.read("ctrl-c").status == "interrupted"
    assert any("-step-" in key for key in Store(clone / "ctrl-c").states.names())


def test_a_flow_run_of_a_busy_run_fails_or_waits_by_choice(worker, prefect, server, clone, forker):
    (clone / "began").unlink(missing_ok=True)
    overrides = ("data.source=slow:arrays", "training.callbacks=[{name: 'slow:Beacon'}]")
    sets = [part for override in overrides for part in ("--set", override)]
    first = forker.start("train", "small.yaml", "--store", "busy", "--name", "busy", *sets, folder=clone)
    wait_for((clone / "began").exists, seconds=120)
    start_run(prefect, "busy", *overrides)
    wait_for_server(lambda: len(flow_runs(server, "busy")) == 2)
    refused = started(server, "busy")
    assert refused["state"]["name"] == "Failed"
    assert f"run 'busy' is being used by process {first.pid}" in refused["state"]["message"]
    start_run(prefect, "busy", *overrides, wait="true")
    wait_for_server(lambda: len(flow_runs(server, "busy")) == 3 and flow_runs(server, "busy")[0]["state"]["name"] == "Running", seconds=180)
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: Store(clone / "busy").runs.is_alive("busy") and process_of(clone, "busy") != first.pid, seconds=60)
    os.kill(process_of(clone, "busy"), signal.SIGTERM)  # it has resumed; the test needs no more
    assert started(server, "busy")["state"]["name"] == "Crashed"


def test_a_run_killed_by_its_ending_worker_resumes_from_its_snapshot(worker, prefect, server, clone, paused, forker):
    [process] = paused("orphaned")
    states = Store(clone / "orphaned").states
    wait_for(lambda: any(int(key.rpartition("-")[2]) >= 14 for key in states.names() if "-step-" in key))  # a background thread writes the snapshots
    os.kill(worker.pid, signal.SIGTERM)
    try:
        worker.wait(60)
    except subprocess.TimeoutExpired:  # a busy worker may wait for its run instead; a service manager then kills both
        kill(worker)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    wait_for(lambda: not Store(clone / "orphaned").runs.is_alive("orphaned"), seconds=60)
    store = Store(clone / "orphaned")
    assert store.runs.read("orphaned").status == "running"  # no process was left to record the end
    steps = [int(key.rpartition("-")[2]) for key in store.states.names() if "-step-" in key]
    assert max(steps) >= 14
    (clone / "pause").unlink()
    second = prefect("worker", "start", "--pool", "local", "--type", "process", wait=False)
    try:
        start_run(prefect, "orphaned", *STEPS)
        wait_for_server(lambda: len(flow_runs(server, "orphaned")) == 2)
        assert started(server, "orphaned")["state"]["name"] == "Completed"
    finally:
        os.killpg(second.pid, signal.SIGKILL)
        second.wait()
    record = store.runs.read("orphaned")
    assert (record.status, record.segments[0].source) == ("completed", "resumed")
    sets = [part for override in STEPS for part in ("--set", override)]
    whole = forker.type("train", "small.yaml", "--store", "whole", "--name", "whole", "--json", *sets, folder=clone)
    assert (record.weights, record.history) == (whole.answer["weights"], whole.answer["history"])
