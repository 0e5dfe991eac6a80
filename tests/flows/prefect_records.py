"""Reads what a Prefect server recorded, by its HTTP API alone."""

from __future__ import annotations

import json
import urllib.request


def read(server, path, query):
    request = urllib.request.Request(
        f"{server.api_url}/{path}", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def flow_runs(server, name):
    """The flow runs of a name, the latest first, each with its `tasks` in the order they began."""
    query = {"flow_runs": {"name": {"any_": [name]}}, "sort": "EXPECTED_START_TIME_DESC"}
    runs = read(server, "flow_runs/filter", query)
    for run in runs:
        found = read(server, "task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [run["id"]]}}})
        run["tasks"] = sorted(found, key=lambda task: task["expected_start_time"])
    return runs
