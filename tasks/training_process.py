"""Training processes, forked by a fork server, which has already imported their packages.

The server is `flows/cli/fork_server.py`, above the tasks; it is started by its name.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

from handler.stop_flag import stop

POLL_MILLISECONDS = 200


class ForkServer:
    """The fork server of this process: one for all threads, started on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self, arguments: list[str], out: Path, err: Path) -> int:
        """Start a `frostline` command, and return its process id.

        Args:
            arguments: the arguments after `frostline`.
            out, err: the files for its stdout and stderr.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                # Remove the variables of this process's flow run; a training has its own.
                environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "flows.cli.fork_server"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment,
                )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            request = {"arguments": arguments, "out": str(out), "err": str(err)}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(json.loads(self._process.stdout.readline())["pid"])

    def close(self) -> None:
        """End the fork server; its children continue."""
        with self._lock:
            if self._process is not None:
                self._process.communicate()
                self._process = None


_fork_server = ForkServer()


def fork_server_closed() -> contextlib.closing[ForkServer]:
    """Return a context manager that ends the fork server, if it was started, on exit."""
    return contextlib.closing(_fork_server)


def run(arguments: list[str], out: Path, err: Path) -> None:
    """Run a `frostline` command to its end.

    If this process is asked to stop, it sends the command one SIGTERM and waits for its end.
    """
    pid = _fork_server.start(arguments, out, err)
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:  # it has ended already
        return
    try:
        poll, notified = select.poll(), False
        poll.register(process, select.POLLIN)
        while not poll.poll(POLL_MILLISECONDS):
            if stop.requested and not notified:
                notified = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
    finally:
        os.close(process)
