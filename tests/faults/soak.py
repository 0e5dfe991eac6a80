"""Kills trainings at random, resumes each by the same command until it is complete, and compares the results.

    python -m tests.faults.soak [--kills 100] [--seed N] [--workers 2] [--models mlp shared] [--write]

There are five networks under three schedules. Every second training runs through `frostline train` and Prefect, the
others through the stages alone. Half of the kills come at a random time within the remaining duration of a training.
The other half come at a random point that is still ahead (a step, a state's manifest, a rename, ...), since some points
are too short to be hit otherwise. If anything differs from the uninterrupted training, the soak exits with 1 and keeps
the folder.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import soak_table, trainings
from tests.faults.comparison import differences, left_behind
from tests.faults.driver import Attempt, Kill, Through, Training
from tests.faults.workers import Workers
from tests.typed import ROOT, Forker

WAYS: tuple[Through, Through] = ("command", "stages")
DIRECTORIES = ("state", "snapshot", "prefit", "backup", "plan", "result")
START = 0.25  # the share of a training's time that also a resumed one needs: the start, the tracing
AT_MOST = 6  # kills per training, so that there are several trainings of each kind


@dataclass
class Tally:
    """The outcomes of the trainings of one kind."""

    model: str
    schedule: str
    kills: int = 0
    timed: int = 0
    trainings: int = 0
    runs: int = 0
    mismatches: int = 0
    lost_runs: int = 0
    lost_files: int = 0
    steps: int = 0
    again: list[int] = field(default_factory=list)
    bound: int = 0
    seconds: float = 0.0
    places: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Whole:
    """The uninterrupted training: its result, its duration each way, and the points that it passed."""

    left: dict[str, Any]
    seconds: dict[str, float]
    points: dict[str, Counter[str]]
    steps: int


class Soak:
    """The soak over killed trainings.

    Args:
        folder: the folder of the trainings; those that end correctly are removed.
        seed: determines the kills.
        kills: the total number of kills.
    """

    def __init__(self, folder: Path, seed: int, kills: int) -> None:
        self.folder, self.seed, self.kills = folder, seed, kills
        self.done, self._lock = 0, threading.Lock()

    def soak(self, forker: Forker, model: str, schedule: str, kills: int) -> Tally:
        """Kill trainings of one kind until the number of kills is reached."""
        began, tally = time.monotonic(), Tally(model, schedule)
        kind, draw = f"{model}-{schedule}", random.Random(f"{self.seed} {model} {schedule}")
        steps = trainings.specification(model, schedule)["training"]["snapshot"]["steps"]
        tally.bound = 2 * steps  # since the last snapshot, and since the one before if the last was being written
        whole = self.whole(forker, model, schedule, tally)
        while tally.kills < kills and not tally.wrong:
            way = WAYS[tally.trainings % 2]
            folder = trainings.place(self.folder / f"{kind}-{tally.trainings}", model, schedule)
            training = Training(forker, folder, way)
            tally.trainings += 1
            most = tally.kills + min(AT_MOST, kills - tally.kills)
            attempt = None
            while tally.kills < most and (attempt is None or attempt.killed):
                timed, left = draw.random() < 0.5, 1 - len(training.steps) / whole.steps
                if timed:
                    attempt = training.begin().kill_after(draw.uniform(0, whole.seconds[way] * (START + (1 - START) * left)))
                else:
                    attempt = training.go_on(drawn(draw, whole.points[way], left))
                if attempt.killed:
                    tally.kills += 1
                    tally.timed += timed
                    tally.places[attempt.place] += 1
                    self.tell(kind, way, attempt)
            if attempt is None or attempt.killed:
                attempt = training.go_on()
            self.judge(training, attempt, whole, tally)
        tally.seconds = time.monotonic() - began
        return tally

    def whole(self, forker: Forker, model: str, schedule: str, tally: Tally) -> Whole:
        """Run the uninterrupted training once each way, and check that both leave the same."""
        problems = []
        for way in WAYS:
            folder = trainings.place(self.folder / f"{model}-{schedule}-whole-{way}", model, schedule)
            training = Training(forker, folder, way)
            problems.append((training, training.complete(), left_behind(training.store, training.name)))
        (_, first, left), (_, second, other) = problems
        tally.wrong += [f"with and without Prefect: {line}" for line in differences(left, other)]
        tally.wrong += not_trivial(left, first)
        tally.steps = len(first.steps)
        return Whole(
            left,
            {"command": first.seconds, "stages": second.seconds},
            {way: Counter(e.name for e in attempt.events if e.sign in ">." and e.name != "start-up")
             for way, attempt in (("command", first), ("stages", second))},
            len(first.steps),
        )  # fmt: skip

    def judge(self, training: Training, last: Attempt, whole: Whole, tally: Tally) -> None:
        """Compare a training's result with that of the uninterrupted one."""
        tally.runs += len(training.attempts)
        tally.again += training.lost
        lines: list[str] = []
        if last.typed.code != 0:
            tally.lost_runs += 1
            lines.append(f"exit {last.typed.code}: {last.typed.stderr.strip()[-500:]}")
        else:
            lines = differences(whole.left, left_behind(training.store, training.name))
            files = sum(line.endswith((" is missing", " is too many")) for line in lines)
            tally.lost_files += files
            tally.mismatches += len(lines) - files
        trained = len(training.steps)
        if not lines and trained != whole.steps:
            lines.append(f"{trained} different steps were trained, not {whole.steps}")
            tally.mismatches += 1
        late = [lost for lost in training.lost if lost > tally.bound]
        lines += [f"{lost} steps were trained again after a kill, at most {tally.bound} may be" for lost in late]
        tally.wrong += [f"{training.folder}: {line}" for line in lines[:8]]
        if not lines:
            shutil.rmtree(training.folder)

    def tell(self, kind: str, way: str, attempt: Attempt) -> None:
        with self._lock:
            self.done += 1
            where = f"after {attempt.seconds:4.1f} s in {attempt.place}"
            print(f"{self.done:4d}/{self.kills}  {kind:24s} {way:8s} killed {where}", flush=True)


def drawn(draw: random.Random, points: Counter[str], left: float) -> Kill:
    """Draw a kill at one of the points of a training.

    Each call and each kind of directory is equally likely, and so are all files of a run together.
    """
    kinds: dict[str, list[str]] = {}
    for point in sorted(points):
        area = point.partition(" ")[0]
        kinds.setdefault(point if area == point else area if area in DIRECTORIES else "run", []).append(point)
    name = draw.choice(kinds[draw.choice(sorted(kinds))])
    at = draw.randint(1, max(1, round(points[name] * left)))
    if name.endswith(" sync"):
        return Kill(name, at, draw.choice(["before", "torn"]))
    return Kill(name, at, "before" if " " in name else draw.choice(["before", "inside", "after"]))


def not_trivial(left: dict[str, Any], whole: Attempt) -> list[str]:
    """Return the reasons why a comparison would be worthless: a training that is too small, or that learned nothing."""
    variables = sum(name.startswith("variable model/") for name in left)
    losses = left["history"]["loss"]
    wrong = [] if variables > 10 and len(whole.steps) > 40 else ["the training is too small to tell anything"]
    return wrong + ([] if len(set(losses)) == len(losses) and losses[-1] < losses[0] else ["nothing was learned"])


def run(kills: int, seed: int, workers: int, folder: Path, models: list[str]) -> list[Tally]:
    """Soak the trainings of these networks under every schedule, `workers` of them at a time."""
    kinds = [(model, schedule) for model in models for schedule in trainings.SCHEDULES]
    shares = [kills // len(kinds) + (i < kills % len(kinds)) for i in range(len(kinds))]
    soak = Soak(folder, seed, kills)
    with Workers(folder, workers) as processes:

        def one(kind: tuple[str, str], share: int) -> Tally:
            with processes.borrow() as forker:
                return soak.soak(forker, *kind, share)

        with ThreadPoolExecutor(workers) as pool:
            # The longest first, so that none runs alone at the end.
            jobs = {kind: pool.submit(one, kind, share) for kind, share in reversed(list(zip(kinds, shares, strict=True))) if share}
        return [jobs[kind].result() for kind in kinds if kind in jobs]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--models", nargs="+", default=list(trainings.BASES), choices=list(trainings.BASES))
    parser.add_argument("--write", action="store_true", help="put the tables into docs/reliability.md")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    folder, began = Path(tempfile.mkdtemp(prefix="frostline-soak-")), time.monotonic()
    tallies = run(given.kills, seed, given.workers, folder, given.models)
    text = soak_table.text(tallies, seed, time.monotonic() - began)
    print(f"\n{text}")
    wrong = [line for tally in tallies for line in tally.wrong]
    if wrong:
        print("\n".join(wrong[:50]), file=sys.stderr)
        print(f"what was killed is kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    if given.write:
        soak_table.write(text, ROOT / "docs" / "reliability.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
