"""Runs a training's command, kills it, and finds the place of the kill in the trace.

    attempt = training.go_on(kill=Kill("state manifest", at=3))
    attempt.place, attempt.steps
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from tests.typed import Forker, Typed

Through = Literal["command", "stages"]


@dataclass(frozen=True)
class Kill:
    """A SIGKILL at a point of a training; see `kill_points.py`.

    Attributes:
        point: a call (`step`, `segment`, `post-fit`, ...) or a file operation (`state manifest`, `run.json rename`,
            ...).
        at: the number of its occurrence in the process, from 1.
        when: before the point, inside the call, or after the call; `torn` applies to the `sync` of a file, and
            truncates the file to half first, like a kill in the middle of its writing.
    """

    point: str
    at: int = 1
    when: Literal["before", "inside", "after", "torn"] = "before"


@dataclass(frozen=True)
class Event:
    """A line of the trace."""

    seconds: float
    thread: str
    sign: str
    name: str


@dataclass
class Attempt:
    """One invocation of a training's command."""

    typed: Typed
    trace: Path
    began: float

    def wait(self) -> Attempt:
        self.typed.wait()
        self.seconds = time.monotonic() - self.began
        return self

    def kill_after(self, seconds: float) -> Attempt:
        """Kill it this many seconds after its start, unless it has ended by then."""
        while time.monotonic() < self.began + seconds and self.typed.runs():
            time.sleep(min(0.01, max(0.0, self.began + seconds - time.monotonic())))
        if self.typed.runs():
            os.kill(self.typed.pid, signal.SIGKILL)
        return self.wait()

    @property
    def killed(self) -> bool:
        return self.typed.code == -signal.SIGKILL

    @property
    def events(self) -> list[Event]:
        lines = self.trace.read_text().splitlines() if self.trace.exists() else []
        return [Event(float(seconds), *rest) for seconds, *rest in (line.split("\t") for line in lines)]

    @property
    def steps(self) -> list[tuple[int, int]]:
        """The completed (epoch, step) pairs, in order; steps count from 1."""
        return [(int(e), int(s)) for e, s in (event.name.split() for event in self.events if event.sign == "*")]

    @property
    def place(self) -> str:
        """The place where it ended: the innermost call, and the last file operation in it.

        `, snapshot behind` is appended if a snapshot was being written in the background.
        """
        events = self.events
        if not events:
            return "start-up"
        place = _innermost([event for event in events if event.thread == "MainThread"])
        others = [event for event in events if event.thread == "snapshot"]
        behind = _innermost(others) if others else "none"
        return place if behind in ("none", "between") else f"{place}, snapshot behind"


def _innermost(events: list[Event]) -> str:
    """Return the innermost unfinished call, with its last file operation.

    The result is `start-up` before the plan is complete, and `between` outside of all stages.
    """
    calls: list[tuple[str, str]] = []
    outside = "start-up" if events[0].name == "start-up" else "between"
    for event in events:
        if event.sign == ">" and event.name != "start-up":
            calls.append((event.name, ""))
            outside = outside if event.name == "plan" else "between"
        elif event.sign == "<":
            calls.pop()
        elif event.sign == "." and calls:
            calls[-1] = (calls[-1][0], event.name)
    return ": ".join(part for part in calls[-1] if part) if calls else outside


@dataclass
class Training:
    """A training in its own folder, started and resumed by the same command.

    Attributes:
        forker: runs the command.
        folder: the folder of its specification and its store.
        through: `frostline train`, with Prefect, or the stages alone.
        name: the run's name.
        changes: changes to the specification, `key.path=value`.
        faults: further faults; see `tests/flows/forker.py`.
    """

    forker: Forker
    folder: Path
    through: Through = "stages"
    name: str = "run"
    changes: tuple[str, ...] = ()
    faults: list[dict] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def snapshot_steps(self) -> int:
        """The number of steps between two snapshots, from the specification."""
        return yaml.safe_load((self.folder / "spec.yaml").read_text())["training"]["snapshot"]["steps"]

    def begin(self, kill: Kill | None = None) -> Attempt:
        """Start the command and return at once."""
        trace = self.folder / f"{len(self.attempts):03d}.trace"
        changes = [part for change in self.changes for part in ("--set", change)]
        command = ["train", "spec.yaml", "--json"] if self.through == "command" else ["stages", "spec.yaml"]
        points = {"trace": str(trace), "store": str(self.store), "kill": None if kill is None else asdict(kill)}
        command += ["--store", "store", "--name", self.name, *changes]
        typed = self.forker.start(*command, folder=self.folder, points=points, faults=self.faults)
        self.attempts.append(Attempt(typed, trace, time.monotonic()))
        return self.attempts[-1]

    def go_on(self, kill: Kill | None = None) -> Attempt:
        """Run the command to its end, or to its kill."""
        return self.begin(kill).wait()

    def complete(self) -> Attempt:
        """Run the command, and assert that it succeeds."""
        attempt = self.go_on()
        assert attempt.typed.code == 0, (self.folder, attempt.typed.stderr[-3000:])
        return attempt

    @property
    def steps(self) -> set[tuple[int, int]]:
        """The (epoch, step) pairs that its attempts completed."""
        return {step for attempt in self.attempts for step in attempt.steps}

    @property
    def lost(self) -> list[int]:
        """The number of repeated steps for each attempt that trained."""
        return list(lost_steps([attempt.steps for attempt in self.attempts]))


def lost_steps(attempts: list[list[tuple[int, int]]]) -> Iterator[int]:
    """Yield, for each attempt that trained, how many steps it repeated."""
    done: list[tuple[int, int]] = []
    for steps in attempts:
        if steps:
            yield sum(step >= steps[0] for step in done)
            done = [step for step in done if step < steps[0]] + steps
