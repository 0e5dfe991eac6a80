"""The commands of docs/operations.md, run from top to bottom: on a fresh server, in a fresh checkout, with an external
project.
"""

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from handler.store import marker
from handler.store.store import Store
from tests.flows.conftest import MODELS, ROOT
from tests.flows.machines import Machine
from tests.flows.own_server import OwnServer, free_port
from tests.flows.prefect_records import create_run, deployments, read
from tests.flows.waiting import wait_for_server

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def page(tmp_path_factory, clean_environment):
    """Yield a machine without any set-up, with a stopped server, and a shell that runs the page's commands."""
    folder = tmp_path_factory.mktemp("page")
    server = OwnServer(folder / "prefect", free_port(), clean_environment)
    machine = Machine(folder / "checkout", server, clean_environment, folder)
    shell = Shell(machine, server, folder)
    yield shell
    shell.end()


class Shell:
    """A shell that runs the page's commands one after the other. Commands that do not end (a server, a worker) run in
    parallel.
    """

    def __init__(self, machine, server, folder):
        self.machine, self.server, self.folder = machine, server, folder
        unset = ("PREFECT_API_URL", "FROSTLINE_DATA_ROOTS", "FROSTLINE_ALLOWED_MODULES")
        self.environment = {k: v for k, v in machine.environment.items() if k not in unset}
        self.environment |= {"HOME": str(folder / "home"), "PREFECT_SERVER_API_PORT": str(server.port), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        self.running = {}

    def lines(self, title):
        """Return the commands of a section."""
        section = re.split(r"(?m)^## ", (ROOT / "docs" / "operations.md").read_text())
        (text,) = [part for part in section if part.startswith(f"{title}\n")]
        return [line[4:].split("  #")[0].strip() for line in text.splitlines() if line.startswith("    ")]

    def type(self, line):
        line = line.replace("4200", str(self.server.port)).replace("/data", str(self.folder / "data"))
        line = line.replace("examples/lidar.yaml", "small.yaml")  # which trains for seconds only
        name, _, value = line.removeprefix("export ").partition("=")
        if line.startswith("export "):
            self.environment[name] = os.path.expandvars(value.replace("$HOME", self.environment["HOME"]))
        elif line.startswith("prefect server start"):
            self.start("server", line)
            wait_for_server(self.server.answers, seconds=240)
        elif line.startswith("prefect worker start"):
            self.start("worker", line)
        elif line != "make install":
            for _ in range(3):  # a server that has just started may be slow on a busy machine
                typed = subprocess.run(line, shell=True, cwd=self.machine.folder, env=self.environment, capture_output=True, text=True, timeout=300)
                if "doesn't answer" not in typed.stderr:
                    break
            assert typed.returncode == 0, f"{line}\n{typed.stdout}{typed.stderr}"
            return typed.stdout
        return ""

    def start(self, what, line):
        self.stop(what)
        with (self.folder / f"{what}.log").open("ab") as log:
            self.running[what] = subprocess.Popen(line, shell=True, cwd=self.machine.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True)

    def stop(self, what):
        if what in self.running:
            process = self.running.pop(what)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def end(self):
        for what in ("worker", "server"):
            self.stop(what)


@pytest.fixture
def deployed(page):
    """Deploy as the page says, if the server does not run yet; return the deployments by name, with paused schedules.
    """
    if not page.server.answers():
        for line in page.lines("Once"):
            page.type(line)
            if line == "frostline deploy":
                break
    deployed = deployments(page.server)
    for deployment in deployed.values():
        read(page.server, f"deployments/{deployment['id']}/pause_deployment", {})
    return deployed


def test_the_commands_of_the_operations_page_work_in_their_order(page):
    shown = [page.type(line) for line in page.lines("Once")]
    assert "small   completed" in shown[-1]
    shown = [page.type(line) for line in page.lines("A project of your own")]
    assert "completed" in shown[-1]
    record = Store(page.folder / "data" / "store").runs.read("shapes")
    assert record.spec_folder == str(page.folder / "home" / "shapes")


def test_late_scheduled_runs_collapse_into_few(page, deployed):
    page.stop("worker")
    marker.claim_store(page.machine.folder / ".frostline")  # the store that housekeeping searches
    shutil.copy(MODELS / "small.yaml", page.machine.folder / "examples" / "lidar.yaml")
    shutil.copy(MODELS / "small.py", page.machine.folder / "examples")
    names, late = ("resume", "housekeeping", "nightly"), datetime.now(UTC) - timedelta(hours=8)

    def queued(name, minute):
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": (late + timedelta(minutes=minute)).isoformat()}}
        with contextlib.suppress(OSError):  # SQLite is locked now and then
            given = {"state": state, "name": f"late-{name}", "idempotency_key": f"late-{name}-{minute}"}
            return create_run(page.server, deployed[name]["id"], **given)

    # One deployment after the other: a worker takes four runs a time, so mixed ones collapse by chance.
    for minute, name in enumerate(name for name in names for _ in range(12)):
        wait_for_server(lambda name=name, minute=minute: queued(name, minute), seconds=240)
    page.type("prefect worker start --pool local --type process --limit 4")
    query = {"flow_runs": {"deployment_id": {"any_": [deployed[name]["id"] for name in names]}}, "limit": 200}
    commands = []

    def all_ended():
        with contextlib.suppress(OSError):
            read_runs = read(page.server, "flow_runs/filter", query)
            commands[:] = [run for run in read_runs if run["expected_start_time"] < (late + timedelta(hours=1)).isoformat()]
            return not any(run["state"]["type"] in ("SCHEDULED", "PENDING", "RUNNING") for run in commands)

    wait_for_server(all_ended, seconds=600)
    for name in names:
        ended = [run for run in commands if run["deployment_id"] == deployed[name]["id"]]
        begun = [run for run in ended if run["state"]["type"] != "CANCELLED"]
        assert len(ended) == 12
        assert 1 <= len(begun) <= 4, [run["state"] for run in begun]
        assert "FAILED" not in {run["state"]["type"] for run in begun}  # CRASHED may occur: a busy server may refuse to submit a flow run
        spans = sorted((run["start_time"], run["end_time"]) for run in begun if run["start_time"])
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
