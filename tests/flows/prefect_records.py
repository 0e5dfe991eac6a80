"""Access to a Prefect server's records through its HTTP API, and starts of its deployments."""

from __future__ import annotations

import json
import urllib.request

from tests.flows.waiting import wait_for


def read(server, path, query):
    request = urllib.request.Request(
        f"{server.api_url}/{path}", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.loads(response.read() or "null")


def flow_runs(server, name):
    """Return the flow runs of a name, the latest first, each with its `tasks` in the order of their start."""
    query = {"flow_runs": {"name": {"any_": [name]}}, "sort": "EXPECTED_START_TIME_DESC"}
    runs = read(server, "flow_runs/filter", query)
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


def started(server, name, seconds=120):
    """Wait until the latest flow run of a name is in a final state, and return it."""
    def final():
        runs = flow_runs(server, name)
        return bool(runs) and runs[0]["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

    wait_for(final, seconds)
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
