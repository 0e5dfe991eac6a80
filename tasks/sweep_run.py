"""One run of a sweep as a Prefect task: a training in a separate process, on this machine or on a Dask worker."""

import json
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from handler.spec.sweep import Variant
from handler.stop_flag import stop
from handler.store.remote_dirs import local_root
from tasks.training_process import run


@task(name="sweep-run", task_run_name="{variant.name}", cache_policy=NO_CACHE)
def sweep_run(variant: Variant, store: str, allow_environment_change: bool) -> dict[str, Any]:
    """Train one variant by the `frostline` command, and return its answer; epochs of other variants are reused.

    If this process is asked to stop, it passes the request to the training, which saves its state first.

    Args:
        variant: the training.
        store: the store's directory, which every worker must be able to reach.
        allow_environment_change: resume from states made in another environment.
    """
    if stop.requested:
        return {"run": variant.name, "status": "interrupted", "error": "not started", "resume": None}
    arguments = ["train", variant.file, "--name", variant.name, "--store", store, "--wait", "--json"]
    arguments += [part for override in variant.overrides for part in ("--set", override)]
    if allow_environment_change:
        arguments.append("--allow-environment-change")
    folder = local_root(store) / "runs" / variant.name
    folder.mkdir(parents=True, exist_ok=True)
    run(arguments, folder / "answer.json", folder / "log")
    try:
        answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    except (OSError, ValueError):
        answer = {"run": variant.name, "status": "failed", "resume": None}
        answer["error"] = f"its process ended without an answer; its output is in {folder / 'log'}"
    return answer
