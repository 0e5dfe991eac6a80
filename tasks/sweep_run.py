"""One run of a sweep, as a Prefect task: a training in a process of its own, here or on a worker of a Dask cluster."""

from __future__ import annotations

import json
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from handler.interrupt import stop
from handler.store import local_root
from handler.sweep import Variant
from tasks.forked import run


@task(name="sweep-run", task_run_name="{variant.name}", cache_policy=NO_CACHE)
def sweep_run(variant: Variant, store: str, allow_environment_change: bool) -> dict[str, Any]:
    """Trains one variant by the `frostline` command; what others have trained of it, or train now, is found.

    Asked to stop, it asks the training to, which saves its state first.

    Args:
        variant: what is trained.
        store: the store's directory, which has to be there for every worker.
        allow_environment_change: go on from states made in another environment.

    Returns:
        What the command answered.
    """
    if stop.requested:
        return {"run": variant.name, "status": "interrupted", "error": "not begun", "resume": None}
    arguments = ["train", variant.file, "--name", variant.name, "--store", store, "--wait", "--json"]
    arguments += [part for override in variant.overrides for part in ("--set", override)]
    if allow_environment_change:
        arguments.append("--allow-environment-change")
    folder = local_root(store) / "runs" / variant.name
    folder.mkdir(parents=True, exist_ok=True)
    run(arguments, folder / "answer.json", folder / "log")
    try:
        found: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    except (OSError, ValueError):
        found = {"run": variant.name, "status": "failed", "resume": None}
        found["error"] = f"its process ended without an answer; what it said is in {folder / 'log'}"
    return found
