"""One Prefect server and one warm process for all tests of the flow and the command."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flows.server import start_or_join

MODELS = Path(__file__).parent.parent / "models"
ROOT = Path(__file__).parent.parent.parent


@dataclass
class Typed:
    """A command line that runs, or has run, in a process of its own."""

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
        """Whether it hasn't ended; a dead one that nobody waited for is a zombie."""
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
    """Types command lines into forked processes; see `forker.py`."""

    process: subprocess.Popen
    folder: Path
    count: int = 0
    started: list[Typed] = field(default_factory=list)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, *arguments, folder, faults=(), **environment) -> Typed:
        self.count += 1
        out, err = (self.folder / f"{self.count}.{kind}" for kind in ("out", "err"))
        out.touch()
        err.touch()
        request = {"arguments": [str(a) for a in arguments], "folder": str(folder), "out": str(out), "err": str(err),
                   "environment": environment, "faults": list(faults)}
        typed = Typed(self, self.ask(start=request)["pid"], out, err)
        self.started.append(typed)
        return typed

    def type(self, *arguments, folder, faults=(), **environment) -> Typed:
        return self.start(*arguments, folder=folder, faults=faults, **environment).wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """An embedded Prefect server that stays for the whole session."""
    share = start_or_join(tmp_path_factory.mktemp("prefect"))
    share.wait()
    yield share
    share.release()


@pytest.fixture(scope="session")
def clean_environment():
    """The environment without what would make a test depend on the user's own Prefect."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "FROSTLINE"))}


@pytest.fixture(scope="session")
def forker(server, clean_environment, tmp_path_factory):
    environment = clean_environment | {"PREFECT_HOME": str(server.home), "PREFECT_API_URL": server.api_url, "COLUMNS": "160"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.flows.forker"], cwd=ROOT, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    forker = Forker(process, tmp_path_factory.mktemp("typed"))
    yield forker
    for typed in forker.started:
        if typed.code is None:  # its test failed
            with contextlib.suppress(ProcessLookupError):
                os.kill(typed.pid, signal.SIGKILL)
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture
def project(tmp_path):
    """A folder with the small model and its specification."""
    for name in ("small.py", "small.yaml"):
        shutil.copy(MODELS / name, tmp_path)
    return tmp_path


@pytest.fixture
def frostline(forker, project):
    """Types a `frostline` command in the project's folder and waits for its end."""

    def type_(*arguments, **more):
        return forker.type(*arguments, **({"folder": project} | more))

    return type_


@pytest.fixture(scope="session")
def trained(forker, tmp_path_factory):
    """A folder in which the small specification was trained without interruption, and what `train --json` answered. The run's name is `whole`."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("small.py", "small.yaml"):
        shutil.copy(MODELS / name, folder)
    typed = forker.type("train", "small.yaml", "--name", "whole", "--store", "kept", "--json", folder=folder)
    assert typed.code == 0, typed.stderr
    return folder, typed
