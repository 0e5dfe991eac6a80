"""The deployment `resume` and the automation: dead runs are resumed, also elsewhere; active, ended or failed runs are
skipped.
"""

import json
import os
import signal
import time
from datetime import UTC, datetime

import pytest

from handler.records import RunRecord
from handler.store.store import Store
from tests.flows.machines import kill
from tests.flows.prefect_records import events, flow_runs, process_of, read, start_run, started
from tests.flows.slow_training import RECENT, SETS, SLOW
from tests.flows.waiting import wait_for, wait_for_server

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

@pytest.fixture(scope="module")
def elsewhere(machine):
    """Return another machine that sees the same store."""
    return machine("elsewhere")


@pytest.fixture(scope="module")
def deployed(deployed, server):
    """Deploy, with all schedules paused."""
    for deployment in read(server, "deployments/filter", {}):
        read(server, f"deployments/{deployment['id']}/pause_deployment", {})
    return deployed


@pytest.fixture
def resume(here, deployed):
    """Return a function that runs the flow `resume` on that machine."""
    def now(**given):
        program = f"from flows.resume import resume; print(resume(**{RECENT | given!r}).model_dump_json())"
        typed = here.type("python", "-c", program)
        assert typed.returncode == 0, typed.stderr
        return json.loads(typed.stdout.splitlines()[-1])

    return now


@pytest.mark.parametrize("warned", [True, False], ids=["SIGTERM then SIGKILL", "SIGKILL"])
def test_a_run_of_a_lost_machine_resumes_on_another_bit_identically(
    warned, here, elsewhere, prefect, deployed, server, tmp_path, uninterrupted
):
    name, store = f"preempted-{'warned' if warned else 'not'}", Store(tmp_path / "shared")
    (here.folder / "began").unlink(missing_ok=True)
    gone = here.work()
    start_run(prefect, name, *SLOW, store=store.root)
    wait_for((here.folder / "began").exists, seconds=120)
    wait_for(lambda: any("-step-" in key for key in store.states.names()), seconds=60)
    process = process_of(tmp_path, name, "shared")
    if warned:
        os.kill(process, signal.SIGTERM)
        wait_for(lambda: not store.runs.is_alive(name))
    kill(gone)
    if not warned:
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: not store.runs.is_alive(name))
    assert store.runs.read(name).status == ("interrupted" if warned else "running")
    other = elsewhere.work()
    try:
        for _ in range(2):  # the second one must not start it again
            typed = elsewhere.type("prefect", "deployment", "run", "resume/resume", "--watch",
                                   "--param", f"store={store.root}", "--param", "patience=0",
                                   "--param", f"hours={RECENT['hours']}")  # fmt: skip
            assert typed.returncode == 0, typed.stdout + typed.stderr
        wait_for_server(lambda: len(flow_runs(server, name)) == 2)
        assert started(server, name)["state"]["name"] == "Completed"
    finally:
        kill(other)
    later, earlier = flow_runs(server, name)
    assert {f"resume-of:{earlier['id']}", "attempt:1"} <= set(later["tags"])
    assert earlier["state"]["type"] == "CRASHED"
    record = store.runs.read(name)
    assert (record.status, record.started_by) == ("completed", later["id"])
    assert (record.weights, record.history) == (uninterrupted["weights"], uninterrupted["history"])
    assert record.segments[0].source == "resumed"
    wait_for_server(lambda: events(server, "frostline.run.resumed", name))


def test_the_deployment_resumes_a_killed_run_of_the_command(
    here, deployed, resume, forker, server, tmp_path, uninterrupted
):
    (here.folder / "began").unlink(missing_ok=True)
    store = Store(here.folder / "typed")
    typed = forker.start("train", "small.yaml", "--store", "typed", "--name", "typed", *SETS, folder=here.folder)
    wait_for((here.folder / "began").exists, seconds=120)
    wait_for(lambda: any("-step-" in key for key in store.states.names()), seconds=60)
    os.killpg(typed.pid, signal.SIGKILL)
    typed.wait()
    assert flow_runs(server, "typed")[0]["state"]["type"] == "RUNNING"
    assert resume(store="typed") == {"started": [], "left": []}  # it may still be ending
    wait_for_server(lambda: flow_runs(server, "typed")[0]["state"]["type"] == "CRASHED", seconds=240)
    assert "No heartbeat" in flow_runs(server, "typed")[0]["state"]["message"]
    answer = resume(store="typed")
    assert [(r["run"], r["attempt"]) for r in answer["started"]] == [("typed", 1)]
    assert resume(store="typed") == {"started": [], "left": []}  # its flow run is scheduled
    worker = here.work()
    try:
        assert started(server, "typed")["state"]["name"] == "Completed"
    finally:
        kill(worker)
    record = store.runs.read("typed")
    assert (record.status, record.weights, record.history) == ("completed", uninterrupted["weights"], uninterrupted["history"])


def test_a_repeated_deployment_creates_no_second_automation(deployed, here, server):
    again = json.loads(here.type("frostline", "deploy", "--dead-after", "75", "--json").stdout)
    assert again == deployed
    named = [a for a in read(server, "automations/filter", {}) if a["name"].startswith("frostline")]
    assert [a["id"] for a in named] == [deployed["automation"]]
    assert named[0]["trigger"]["within"] == 75


def recorded(store, name, status, **more):
    now = datetime.now(UTC).isoformat()
    store.runs.write(RunRecord(run=name, status=status, key="0" * 32, seed=0, training_epochs=3, started=now, updated=now,
                               spec={"name": name}, spec_folder=str(store.root), **more))  # fmt: skip


def test_resume_skips_completed_failed_stopped_and_running_runs(resume, tmp_path):
    store = Store(tmp_path / "s")
    recorded(store, "done", "completed")
    recorded(store, "failed", "failed", error="a mistake")
    recorded(store, "stopped", "interrupted", stopped_by="SIGINT")
    recorded(store, "at-work", "running")
    with store.runs.lock("at-work"):
        assert resume(store=str(store.root), patience=0.0) == {"started": [], "left": []}


def test_resume_skips_a_run_that_a_person_cancelled_in_prefect(resume, prefect, server, tmp_path):
    start_run(prefect, "unwanted", store=tmp_path / "s")  # no worker runs it
    flow_runs_there = read(server, "flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"})
    flow_run = next(run for run in flow_runs_there if run["parameters"].get("name") == "unwanted")
    store = Store(tmp_path / "s")
    recorded(store, "unwanted", "interrupted", stopped_by="SIGTERM", started_by=flow_run["id"])
    assert resume(store=str(store.root), patience=0.0) == {"started": [], "left": []}  # its flow run is scheduled
    assert prefect("flow-run", "cancel", flow_run["id"]).returncode == 0
    assert resume(store=str(store.root), patience=0.0) == {"started": [], "left": []}


def test_resume_gives_up_a_run_after_three_attempts_without_progress(resume, prefect, server, tmp_path):
    store = Store(tmp_path / "s")
    recorded(store, "hopeless", "running")
    for attempt in (1, 2, 3):
        answer = resume(store=str(store.root), patience=0.0)
        assert [(r["run"], r["attempt"]) for r in answer["started"]] == [("hopeless", attempt)]
        flow_run = flow_runs(server, "hopeless")[0]
        assert f"attempt:{attempt}" in flow_run["tags"]
        crashed = {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True}
        read(server, f"flow_runs/{flow_run['id']}/set_state", crashed)
        time.sleep(0.1)
    assert resume(store=str(store.root), patience=0.0) == {"started": [], "left": ["hopeless"]}
