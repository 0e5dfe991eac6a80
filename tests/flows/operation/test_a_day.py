"""A day in operation on a separate server: the flow's process, the worker and the server are killed in turn."""

import os
import signal
import time

import pytest

from handler.store.store import Store
from tests.flows.machines import Machine, kill
from tests.flows.own_server import OwnServer, free_port
from tests.flows.prefect_records import deployments, process_of, read, start_run, started
from tests.flows.slow_training import RECENT, SLOW
from tests.flows.waiting import wait_for, wait_for_server

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def own(tmp_path_factory, clean_environment):
    server = OwnServer(tmp_path_factory.mktemp("operations") / "home", free_port(), clean_environment)
    server.start()
    yield server
    server.kill()


def scheduled(server):
    """Return the names of the deployments that have scheduled flow runs."""
    by_id = {deployment["id"]: name for name, deployment in deployments(server).items()}
    runs = read(server, "flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
    return {by_id[run["deployment_id"]] for run in runs}


def test_runs_survive_kills_of_process_worker_and_server_bit_identically(
    own, clean_environment, tmp_path, uninterrupted
):
    server = own
    here = Machine(tmp_path / "machine", server, clean_environment, tmp_path)
    stores = {what: Store(tmp_path / what) for what in ("process", "worker", "server")}  # one per run; each run has its own kill
    began = here.folder / "began"

    def prefect(*arguments):
        typed = here.type("prefect", *arguments)
        assert typed.returncode == 0, typed.stdout + typed.stderr
        return typed

    def training(name):
        """Start a run, and return its process id once it has trained for a while."""
        began.unlink(missing_ok=True)
        start_run(prefect, name, *SLOW, store=tmp_path / name)
        wait_for(began.exists, seconds=120)
        wait_for(lambda: any("-step-" in key for key in stores[name].states.names()))
        return process_of(tmp_path, name, name)

    typed = here.type("frostline", "deploy")
    assert typed.returncode == 0, typed.stdout + typed.stderr
    wait_for_server(lambda: scheduled(server) == {"nightly", "resume", "housekeeping"}, seconds=240)
    for deployment in deployments(server).values():
        read(server, f"deployments/{deployment['id']}/pause_deployment", {})
    worker = here.work()
    try:
        os.kill(training("process"), signal.SIGKILL)
        assert started(server, "process")["state"]["type"] == "CRASHED"
        given = {"store": stores["process"].root, "patience": 0, "hours": RECENT["hours"]}
        prefect("deployment", "run", "resume/resume", "--watch", *[p for k, v in given.items() for p in ("--param", f"{k}={v}")])
        assert started(server, "process")["state"]["type"] == "COMPLETED"
        training("worker")
        os.kill(worker.pid, signal.SIGKILL)  # the process that it started survives
        worker.wait()
        assert started(server, "worker")["state"]["type"] == "COMPLETED"
        worker = here.work()
        training("server")
        server.kill()
        time.sleep(2)
        server.start()
        assert started(server, "server")["state"]["type"] == "COMPLETED"
    finally:
        if worker.poll() is None:
            kill(worker)
    for name, store in stores.items():
        record = store.runs.read(name)
        assert (record.status, record.weights, record.history) == ("completed", uninterrupted["weights"], uninterrupted["history"])
        assert record.segments[0].source == ("resumed" if name == "process" else "trained")
        assert store.runs.active_names() == []
        assert store.verify() == []
    live = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}}
    assert read(server, "flow_runs/filter", live) == []
    assert [limit for limit in read(server, "v2/concurrency_limits/filter", {}) if limit["active_slots"]] == []
