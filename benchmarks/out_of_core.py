"""Training on a source that is larger than memory.

    python -m benchmarks.out_of_core

It trains on a `.zarr` source of 8 GB through the stages of a run, in a process whose resident memory it measures. It
compares this with a source of 1/16 of that size in memory, and with plain Keras and a `PyDataset` that reads the same
shuffled rows from zarr. It also measures how long a step of 5 ms waits for its batch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.harness import Watch, answer, resident
from handler.observer import Observer

WIDTH, BATCH, CHUNK = 16384, 64, 128
MODULE = """
import keras
from keras import layers


def network():
    i = keras.Input((16384,))
    x = layers.Dense(32, activation="relu", name="first")(i)
    return keras.Model(i, layers.Dense(4, activation="softmax", name="head")(x))
"""
SPEC = {
    "name": "far",
    "data": {"source": "points.zarr"},
    "model": {"architecture": "mine:network", "compile": {"optimizer": "adam"}},
    "training": {"epochs": 2, "batch_size": BATCH},
}


class Times(Observer):
    """An observer that records the time of each step and the duration of each epoch."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.epochs: list[float] = []

    def on_step(self, epoch: int, step: int, steps: int, logs: dict[str, Any]) -> None:
        self.steps.append(time.perf_counter())

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        self.epochs.append(seconds)


def make(folder: Path, rows: int) -> None:
    """Write the specification's module and its source."""
    import zarr

    (folder / "mine.py").write_text(MODULE)
    stored = zarr.open_group(folder / "points.zarr", mode="w")
    X = stored.create_array("X", shape=(rows, WIDTH), chunks=(CHUNK, WIDTH), dtype="float32")
    for start in range(0, rows, CHUNK):
        X[start : start + CHUNK] = np.random.default_rng(start).integers(-99, 99, (CHUNK, WIDTH))
    stored.create_array("y", data=np.arange(rows) % 4)


def train(folder: Path, store: str) -> dict[str, Any]:
    """Train the specification in this process."""
    from handler.run.inputs import RunInputs
    from handler.run.training_run import TrainingRun
    from handler.spec.reader import parse_spec

    run = TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder / store), name="far"))
    times = Times()
    run.observers.append(times)
    with Watch() as watch:
        began = time.perf_counter()
        plan = run.plan()
        run.begin(plan)
        run.pre_fit()
        prepared = time.perf_counter() - began
        for index in range(len(plan.segments)):
            run.train_segment(index)
    return {
        "most": watch.most + watch.before / 1e6,
        "prepared": prepared,
        "epochs": times.epochs,
        "step": statistics.median(np.diff(times.steps)),
        "kind": type(run.live.sequencer.arrays[0]).__name__,
        "weights": run.post_fit()["weights"],
    }


def keras_steps(folder: Path, steps: int) -> dict[str, Any]:
    """Train plain Keras on shuffled rows of the same source; return the seconds per step."""
    import keras
    import zarr

    sys.path.insert(0, str(folder))
    from mine import network  # type: ignore[import-not-found]

    stored = zarr.open_group(folder / "points.zarr", mode="r")
    X, y = stored["X"], stored["y"][:]
    order = np.random.default_rng(0).permutation(len(y))

    class Shuffled(keras.utils.PyDataset):
        def __len__(self) -> int:
            return steps

        def __getitem__(self, index: int) -> Any:
            rows = order[index * BATCH : (index + 1) * BATCH]
            return X.oindex[rows], y[rows]

    model = network()
    model.compile("adam", loss="sparse_categorical_crossentropy")
    model.fit(X[:BATCH], y[:BATCH], batch_size=BATCH, verbose=0)
    began = time.perf_counter()
    model.fit(Shuffled(), epochs=1, shuffle=False, verbose=0)
    return {"step": (time.perf_counter() - began) / steps, "most": resident() / 1e6}


def waits(folder: Path, store: str, steps: int) -> dict[str, Any]:
    """Return how long a step of 5 ms waits for its batch, in seconds."""
    import tensorflow as tf

    from handler.engine import batches
    from handler.run.inputs import RunInputs
    from handler.run.training_run import TrainingRun
    from handler.spec.reader import parse_spec

    run = TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder / store), name="far"))
    sequencer = run.live.sequencer
    side = tf.random.normal((900, 900))
    work = tf.function(lambda: tf.reduce_sum(side @ side @ side))
    taken, waited = [], []
    work().numpy()
    feed = batches.prefetch(sequencer, 0, steps)
    while True:
        began = time.perf_counter()
        if next(feed, None) is None:
            break
        waited.append(time.perf_counter() - began)
        end = time.perf_counter() + 0.005
        work().numpy()
        taken.append(time.perf_counter() - end + 0.005)
        while time.perf_counter() < end:  # the step is busy, not asleep
            pass
    waited = sorted(waited[3:])
    return {"median": statistics.median(waited), "99 %": waited[int(0.99 * len(waited))], "most": waited[-1],
            "work": statistics.median(taken)}  # fmt: skip


def asked(what: str, folder: Path, *more: str) -> dict[str, Any]:
    """Run one of these measurements in a separate process."""
    command = [sys.executable, "-m", "benchmarks.out_of_core", "--do", what, "--folder", str(folder), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What does it take to train on a source that is larger than memory?")
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--do", choices=("train", "keras", "waits"))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.do:
        does = {
            "train": lambda: train(options.folder, "store"),
            "keras": lambda: keras_steps(options.folder, 40),
            "waits": lambda: waits(options.folder, "store", 400),
        }
        print(json.dumps(does[options.do]()))
        return
    rows = int(options.gigabytes * 1e9) // (WIDTH * 4) // CHUNK * CHUNK
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as name:
        far, near = Path(name, "far"), Path(name, "near")
        for folder, count in ((near, CHUNK * 16), (far, rows)):
            folder.mkdir()
            make(folder, count)
        small, large, again = asked("train", near), asked("train", far), asked("waits", far)
        plain = asked("keras", far)
    assert [small["kind"], large["kind"]] == ["ndarray", "Rows"]
    size = rows * WIDTH * 4 / 1e9
    answer(
        "What does it take to train on a source that is larger than memory?",
        [
            [f"peak resident memory, source of {size:.1f} GB", f"{large['most'] / 1e3:.2f} GB"],
            [f"the same, source of {CHUNK * 16 * WIDTH * 4 / 1e9:.2f} GB in memory", f"{small['most'] / 1e3:.2f} GB"],
            [f"from the plan to the first step, once: {size:.1f} GB digested and written row by row",
             f"{large['prepared']:.0f} s"],
            ["epochs", " and ".join(f"{seconds:.1f} s" for seconds in large["epochs"])],
            ["a step, rows from the store", f"{large['step'] * 1e3:.1f} ms"],
            ["a step, arrays in memory", f"{small['step'] * 1e3:.1f} ms"],
            ["a step, Keras `fit` with a PyDataset that reads zarr", f"{plain['step'] * 1e3:.0f} ms"],
            ["wait of a 5 ms step for its batch: median, 99 %, maximum",
             ", ".join(f"{again[what] * 1e3:.2f} ms" for what in ("median", "99 %", "most"))],
        ],
        f"batches of {BATCH} shuffled rows of {WIDTH * 4 // 1024} KiB, chunks of {CHUNK} rows with zarr's default "
        "compression",
        columns=("what", "measured"),
    )  # fmt: skip


if __name__ == "__main__":
    main()
