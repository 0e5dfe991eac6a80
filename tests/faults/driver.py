"""Types the command of a training, kills it, and tells from the trace where it fell.

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
    """A SIGKILL at a point that a training passes; see `points.py`.

    Attributes:
        point: a call (`step`, `segment`, `post-fit`, ...) or what is done to a file (`state manifest`, `run.json rename`, ...).
        at: at its how-manieth occurrence in the process.
        when: before it, inside the call, after the call; `torn`: at the `sync` of a file, which is cut to half first, as a kill
            in the middle of its writing leaves it.
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
        """Kills it so many seconds after it was begun, unless it has ended by then."""
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
        """The (epoch, step) it did, in order; steps count from 1."""
        return [(int(e), int(s)) for e, s in (event.name.split() for event in self.events if event.sign == "*")]

    @property
    def place(self) -> str:
        """Where it ended: the innermost call it was in and the last that was done to a file there; `, snapshot behind` where
        one was being written at that time.
        """
        events = self.events
        if not events:
            return "start-up"
        place = _innermost([event for event in events if event.thread == "MainThread"])
        others = [event for event in events if event.thread == "snapshot"]
        behind = _innermost(others) if others else "none"
        return place if behind in ("none", "between") else f"{place}, snapshot behind"


def _innermost(events: list[Event]) -> str:
    """The call that has begun last and not ended, with the last that was done to a file in it.

    `start-up` where nothing but the plan has been made, `between` stages where there is none.
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
    """A training in a folder of its own, begun and gone on with by the same command.

    Attributes:
        forker: types the command.
        folder: where its specification and its store lie.
        through: `frostline train`, with Prefect, or the stages alone.
        name: of the run.
        changes: to the specification, `key.path=value`.
        faults: what else goes wrong; see `tests/flows/forker.py`.
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
        """How many steps lie between two snapshots, as its specification says."""
        return yaml.safe_load((self.folder / "spec.yaml").read_text())["training"]["snapshot"]["steps"]

    def begin(self, kill: Kill | None = None) -> Attempt:
        """Types the command and returns at once."""
        trace = self.folder / f"{len(self.attempts):03d}.trace"
        changes = [part for change in self.changes for part in ("--set", change)]
        command = ["train", "spec.yaml", "--json"] if self.through == "command" else ["stages", "spec.yaml"]
        points = {"trace": str(trace), "store": str(self.store), "kill": None if kill is None else asdict(kill)}
        command += ["--store", "store", "--name", self.name, *changes]
        typed = self.forker.start(*command, folder=self.folder, points=points, faults=self.faults)
        self.attempts.append(Attempt(typed, trace, time.monotonic()))
        return self.attempts[-1]

    def go_on(self, kill: Kill | None = None) -> Attempt:
        """Types the command and waits for its end, or its kill."""
        return self.begin(kill).wait()

    def complete(self) -> Attempt:
        """Types the command and expects it to end well."""
        attempt = self.go_on()
        assert attempt.typed.code == 0, (self.folder, attempt.typed.stderr[-3000:])
        return attempt

    @property
    def lost(self) -> list[int]:
        """For each kill after which steps were done: how many steps were done again."""
        return list(lost_steps([attempt.steps for attempt in self.attempts]))


def lost_steps(attempts: list[list[tuple[int, int]]]) -> Iterator[int]:
    """How many steps each attempt that did any did again."""
    done: list[tuple[int, int]] = []
    for steps in attempts:
        if steps:
            yield sum(step >= steps[0] for step in done)
            done = [step for step in done if step < steps[0]] + steps
