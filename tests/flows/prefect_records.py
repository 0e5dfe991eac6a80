"""Access to a Prefect server's records through its HTTP API, and starts of its deployments."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid

from tests.flows.waiting import wait_for_server

# A busy machine's server may need a minute for an answer, and refuses requests while its database is locked.
ANSWER_SECONDS = 60
BUSY_SECONDS = 180


def read(server, path, query):
    """Send a request to the API and return its JSON answer; send it again while the server is busy.

    A request that creates a record needs a key by which the server knows it again; see `create_run`.
    """
    request = urllib.request.Request(
        f"{server.api_url}/{path}", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
                return json.loads(response.read() or "null")
        except OSError as error:
            if not is_busy(error) or time.monotonic() > end:
                raise
            if isinstance(error, urllib.error.HTTPError):
                error.close()
        time.sleep(1)


def is_busy(error):
    """Return whether an error of a request says that the server was too busy to answer."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code == 503
    return isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)


def create_run(server, deployment, **given):
    """Create one flow run of a deployment id, however often the request is sent."""
    return read(server, f"deployments/{deployment}/create_flow_run", {"idempotency_key": str(uuid.uuid4())} | given)


def latest_runs(server, name):
    """Return the flow runs of a name, the latest first."""
    query = {"flow_runs": {"name": {"any_": [name]}}, "sort": "EXPECTED_START_TIME_DESC"}
    return read(server, "flow_runs/filter", query)


def flow_runs(server, name):
    """Return the flow runs of a name, the latest first, each with its `tasks` in the order of their start."""
    runs = latest_runs(server, name)
    for run in runs:
        tasks = read(server, "task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}})
        run["tasks"] = sorted(tasks, key=lambda task: task["expected_start_time"])
    return runs


def events(server, name, run):
    """Return the events of a name about a run. Poll it: the server writes events in batches, some seconds late."""
    wanted = {"filter": {"event": {"name": [name]}, "resource": {"id": [f"frostline.run.{run}"]}}, "limit": 50}
    return read(server, "events/filter", wanted)["events"]


def deployments(server):
    return {d["name"]: d for d in read(server, "deployments/filter", {})}


def started(server, name, seconds=240):
    """Wait until the latest flow run of a name is in a final state, and return it."""
    def final():
        runs = latest_runs(server, name)
        return bool(runs) and runs[0]["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

    wait_for_server(final, seconds)
    return flow_runs(server, name)[0]


def start_run(prefect, name, *overrides, **parameters):
    """Start a flow run of the deployment `train`, named `name` in Prefect, with a separate store."""
    given = {"spec_file": "small.yaml", "name": name, "store": name, "overrides": json.dumps(overrides)} | parameters
    typed = prefect("deployment", "run", "train/train",
                    *[part for key, value in given.items() if value is not None for part in ("--param", f"{key}={value}")])  # fmt: skip
    assert typed.returncode == 0, typed.stderr


def process_of(clone, name, store=None):
    """Return the id of the process that trains a run, from its lock file: `process 123 on host since ...`."""
    return int((clone / (store or name) / "runs" / name / "lock").read_text().split()[1])
