"""Prefect servers of the user, as in operations: `prefect server start`, with a separate database."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.flows.server_state import healthy
from tests.flows.waiting import wait_for_server


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclass
class OwnServer:
    """A Prefect server with its own port and database; its output is appended to `log`."""

    home: Path
    port: int
    environment: dict
    process: subprocess.Popen | None = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self):
        return f"{self.url}/api"

    @property
    def log(self):
        return self.home.with_suffix(".log")

    def start(self):
        given = {"PREFECT_HOME": str(self.home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("prefect")), "server", "start", "--host", "127.0.0.1", "--port", str(self.port)],
                env=self.environment | given, start_new_session=True, stdout=log, stderr=log,
            )  # fmt: skip
        wait_for_server(self.answers, seconds=240)

    def answers(self):
        with contextlib.suppress(OSError):
            return healthy(self.url)

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
