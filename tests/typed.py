"""Commands run in processes forked from a warm one; see `tests/flows/forker.py`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass
class Typed:
    """A command that runs, or has run, in a separate process."""

    forker: Forker
    pid: int
    out: Path
    err: Path
    code: int | None = None

    def wait(self) -> Typed:
        if self.code is None:
            self.code = self.forker.ask(wait=self.pid)["code"]
        return self

    def runs(self) -> bool:
        """Return whether the process still runs; a process that ended before `wait` is a zombie."""
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return self.code is None and state != "Z"

    @property
    def stdout(self) -> str:
        return self.out.read_text()

    @property
    def stderr(self) -> str:
        return self.err.read_text()

    @property
    def answer(self) -> dict:
        """The one JSON object on stdout."""
        lines = [line for line in self.stdout.splitlines() if line.strip()]
        assert len(lines) == 1, (lines, self.stderr)
        return json.loads(lines[0])


@dataclass
class Forker:
    """A client of the warm process; it runs commands in forked processes."""

    process: subprocess.Popen
    folder: Path
    count: int = 0
    started: list[Typed] = field(default_factory=list)
    turn: threading.RLock = field(default_factory=threading.RLock)

    def ask(self, **request):
        with self.turn:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def start(self, *arguments, folder, faults=(), points=None, hold=None, **environment) -> Typed:
        """Start a command; `tests/flows/forker.py` describes `faults`, `points` and `hold`."""
        with self.turn:
            self.count += 1
            out, err = (self.folder / f"{self.count}.{kind}" for kind in ("out", "err"))
        out.touch()
        err.touch()
        request = {"arguments": [str(a) for a in arguments], "folder": str(folder), "out": str(out), "err": str(err),
                   "environment": environment, "faults": list(faults), "points": points, "hold": hold}
        typed = Typed(self, self.ask(start=request)["pid"], out, err)
        self.started.append(typed)
        return typed

    def type(self, *arguments, folder, faults=(), **more) -> Typed:
        return self.start(*arguments, folder=folder, faults=faults, **more).wait()


@contextlib.contextmanager
def warm(environment: dict[str, str], folder: Path) -> Iterator[Forker]:
    """Yield the client of a new warm process; on exit, kill the commands that still run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flows.forker"], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    forker = Forker(process, folder)
    try:
        yield forker
    finally:
        for typed in forker.started:
            if typed.code is None:  # its test failed
                with contextlib.suppress(ProcessLookupError):
                    os.kill(typed.pid, signal.SIGKILL)
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
