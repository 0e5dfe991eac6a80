"""Trainings in processes of their own, forked from one that has imported what they need; see `flows/forking.py`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from handler.interrupt import stop

POLL_MILLISECONDS = 200


class Forking:
    """The process that forks, started when it is first needed; one for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def start(self, arguments: list[str], out: Path, err: Path) -> int:
        """Starts a `frostline` command; returns its process id.

        Args:
            arguments: what is typed after `frostline`.
            out, err: the files that its two streams go to.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                # The flow run that is in this process is not the one of a training.
                given = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "flows.forking"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=given,
                )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            request = {"arguments": arguments, "out": str(out), "err": str(err)}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(json.loads(self._process.stdout.readline())["pid"])

    def close(self) -> None:
        """Ends it; what it forked goes on."""
        with self._lock:
            if self._process is not None:
                self._process.communicate()
                self._process = None


_forking = Forking()


@contextlib.contextmanager
def ended_at_last() -> Iterator[None]:
    """Ends the process that forks, if there is one by then, when it is left."""
    try:
        yield
    finally:
        _forking.close()


def run(arguments: list[str], out: Path, err: Path) -> None:
    """Runs a `frostline` command to its end. Asked to stop, it asks the command to, once, and waits for its end."""
    pid = _forking.start(arguments, out, err)
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:  # it has ended
        return
    try:
        poll, asked = select.poll(), False
        poll.register(process, select.POLLIN)
        while not poll.poll(POLL_MILLISECONDS):
            if stop.requested and not asked:
                asked = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
    finally:
        os.close(process)
