"""Pause of a training caused by a snapshot within an epoch.

    python -m benchmarks.snapshot

It trains a network with a state of 200 MB, with a snapshot every few steps and without. It compares the step after a
snapshot with the other steps, and the whole epoch with the same epoch without snapshots.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.harness import alternate, answer, row
from handler.observer import Observer
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec

STEPS, EVERY, BATCH = 60, 15, 8
MODULE = """
import keras
import numpy as np
from keras import layers


def data():
    x = np.random.default_rng(0).normal(size=(480, 4096)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")


def network():
    i = keras.Input((4096,))
    x = layers.Dense(4090, activation="relu", name="wide")(i)
    return keras.Model(i, layers.Dense(2, activation="softmax", name="head")(x))
"""


class Steps(Observer):
    """An observer that records the time of each step and the duration of the epoch."""

    def __init__(self) -> None:
        self.done: dict[int, float] = {}
        self.seconds = 0.0

    def on_step(self, epoch: int, step: int, steps: int, logs: dict[str, Any]) -> None:
        if epoch == 1:
            self.done[step] = time.perf_counter()

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        self.seconds = self.done.get(STEPS, 0.0) - self.done.get(1, 0.0)


class Trainings:
    """Trainings in one folder, each with a new store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.after: list[float] = []
        self.others: list[float] = []
        (folder / "mine.py").write_text(MODULE)

    def train(self, every: int | None) -> float:
        """Train two epochs; return the seconds of the second one, without its end and its state."""
        training: dict[str, Any] = {"epochs": 2, "batch_size": BATCH}
        if every:
            training["snapshot"] = {"steps": every}
        spec = parse_spec({
            "name": "wide",
            "data": {"source": "mine:data"},
            "model": {"architecture": "mine:network", "compile": {"optimizer": "adam"}},
            "training": training,
        })  # fmt: skip
        with tempfile.TemporaryDirectory(dir=self.folder) as store:
            run = TrainingRun(RunInputs(spec=spec, folder=str(self.folder), store=store, name="wide"))
            steps = Steps()
            run.observers.append(steps)
            with run.lock():
                plan = run.plan()
                run.begin(plan)
                run.pre_fit()
                for segment in plan.segments:
                    run.train_segment(segment.index)
        taken = {step: steps.done[step] - steps.done[step - 1] for step in range(2, STEPS + 1)}
        if every:
            self.after += [seconds for step, seconds in taken.items() if (step - 1) % every == 0]
            self.others += [seconds for step, seconds in taken.items() if (step - 1) % every]
        return steps.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="For how long does a snapshot within an epoch stop a training?")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as folder:
        trainings = Trainings(Path(folder))
        trainings.train(EVERY)
        trainings.after, trainings.others = [], []
        variants: dict[str, Callable[[], float]] = {
            "with": lambda: trainings.train(EVERY),
            "without": lambda: trainings.train(None),
        }
        times = alternate(variants, options.rounds)
    step = statistics.median(trainings.others)
    answer(
        "For how long does a snapshot within an epoch stop a training?",
        [
            row("a snapshot of a 200 MB state stops the training for", [max(0.0, s - step) for s in trainings.after]),
            row("a step", trainings.others),
            row(f"{STEPS} steps, a snapshot every {EVERY}: Frostline", times["with"], beside=times["without"],
                peer="no snapshots"),
            row(f"{STEPS} steps, no snapshots", times["without"]),
        ],
        "seconds; the first row is the step after a snapshot minus the median of the other steps",
    )  # fmt: skip


if __name__ == "__main__":
    main()
