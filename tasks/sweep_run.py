"""One run of a sweep, as a Prefect task: a training in a process of its own, here or on a worker of a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from handler.interrupt import stop
from handler.sweep import Variant

POLL_SECONDS = 0.2


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
    command = [sys.executable, "-m", "flows.command", "train", variant.file, "--name", variant.name, "--store", store]
    command += ["--wait", "--json", *(part for override in variant.overrides for part in ("--set", override))]
    if allow_environment_change:
        command.append("--allow-environment-change")
    # The parent's flow run is not the child's.
    given = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    log = Path(store) / "runs" / variant.name / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=given)
        asked = False
        while True:
            try:
                answer, _ = process.communicate(timeout=POLL_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if stop.requested and not asked:
                    asked = True
                    process.send_signal(signal.SIGTERM)
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        found = {"run": variant.name, "status": "failed", "resume": None}
        found["error"] = f"its process ended with code {process.returncode} and no answer; see {log}"
    return found
