"""A simulated machine for deployments: a checkout of the project in a folder, and commands run there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.flows.conftest import MODELS, ROOT

# Proxies that lead nowhere: no test needs a network.
NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}


class Machine:
    """A folder with the project's tracked files and the small specification.

    Args:
        folder: the folder; created if it does not exist.
        server: the Prefect server.
        environment: further environment variables of its commands.
        shared: a folder that all machines share.
    """

    def __init__(self, folder, server, environment, shared):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("flows", "tasks", "handler", "examples", "prefect.yaml"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".frostline"))
            else:
                shutil.copy(source, folder)
        for name in ("small.py", "small.yaml", "slow.py"):
            shutil.copy(MODELS / name, folder)
        self.environment = environment | NOWHERE | {
            "PREFECT_HOME": str(server.home), "PREFECT_API_URL": server.api_url, "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PYTHONPATH": str(folder),  # as if the checkout there were the installed one
            "FROSTLINE_DATA_ROOTS": str(shared),
        }

    def type(self, program, *arguments, wait=True):
        """Run a command; without `wait` return its process, the leader of a process group."""
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        given = {"cwd": self.folder, "env": self.environment}
        if not wait:
            return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **given)
        return subprocess.run(command, capture_output=True, text=True, timeout=300, **given)

    def work(self, *options):
        """Start a worker."""
        return self.type("prefect", "worker", "start", "--pool", "local", "--type", "process", *options, wait=False)


def kill(*processes):
    """Kill the process groups of commands that were started without `wait`."""
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
