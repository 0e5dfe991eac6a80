"""Overhead of a run in addition to its training: Prefect, the start and the end.

    python -m benchmarks.overhead

It runs whole processes that train a tiny network, with few segments and with many: `frostline train` with its server
running, and the same stages called one by one without Prefect. The cost of a segment is the difference between many and
few. It also measures a command that finds its run completed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.harness import alternate, answer, seconds

FEW, MANY = 10, 60
MODULE = """
import time

import keras
import numpy as np
from keras import layers


def data():
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")


def network():
    i = keras.Input((8,))
    x = layers.Dense(8, activation="relu", name="second")(layers.Dense(8, activation="relu", name="first")(i))
    return keras.Model(i, layers.Dense(2, activation="softmax", name="head")(x))


class Stamp(keras.callbacks.Callback):
    def __init__(self, file):
        super().__init__()
        self.file = file

    def on_epoch_end(self, epoch, logs=None):
        with open(self.file, "a") as opened:
            opened.write(f"{time.time()}\\n")
"""
FLOOR = """
import sys
import time
from prefect import flow, task


@task
def nothing(number):
    return number


@flow
def many(count):
    for number in range(count):
        nothing(number)


many(5)
began = time.perf_counter()
many(int(sys.argv[1]))
print(time.perf_counter() - began)
"""


def specification(folder: Path, segments: int) -> Path:
    """Write a specification with this number of segments, of one epoch each, and return its path."""
    (folder / "mine.py").write_text(MODULE)
    file = folder / f"of_{segments}.yaml"
    training = {"epochs": segments, "batch_size": 32}
    training["callbacks"] = [{"name": "mine:Stamp", "file": str(folder / "stamps")}]
    takes_turns = {"training_interval": [0, segments], "layers": ["first", "second"], "strategy": "round_robin"}
    file.write_text(yaml.safe_dump({
        "name": f"of_{segments}",
        "data": {"source": "mine:data"},
        "model": {"architecture": "mine:network", "compile": {"optimizer": "adam"}},
        "training": training,
        "freeze_training": [takes_turns],
    }))  # fmt: skip
    return file


class Bench:
    """Commands in separate processes, each with a new store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.stamps = folder / "stamps"
        # Per run: the time to the end of the first epoch, from the end of the last epoch, and between two epochs (the
        # median).
        self.starts: dict[str, list[float]] = {}
        self.ends: dict[str, list[float]] = {}
        self.segments: dict[str, list[float]] = {}

    def run(self, *command: str) -> float:
        """Run a command and return its wall time, in seconds."""
        environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
        return seconds(lambda: subprocess.run(command, check=True, capture_output=True, env=environment))

    def trains(self, way: str, spec: Path) -> Callable[[], float]:
        """Return a function that trains a specification in a new store, through Prefect or without."""

        def train() -> float:
            self.count += 1
            self.stamps.unlink(missing_ok=True)
            given = (str(spec), "--store", str(self.folder / f"store{self.count}"))
            command = (sys.executable, "-m", "benchmarks.overhead", "--stages", *given)
            if way == "Prefect":
                command = (sys.executable, "-m", "flows.command", "train", *given, "--json")
            began = time.time()
            taken = self.run(*command)
            ended = time.time()
            stamps = [float(stamp) for stamp in self.stamps.read_text().split()]
            self.starts.setdefault(way, []).append(stamps[0] - began)
            self.ends.setdefault(way, []).append(ended - stamps[-1])
            between = [second - first for first, second in itertools.pairwise(stamps)]
            self.segments.setdefault(f"{way} {len(stamps)}", []).append(statistics.median(between))
            return taken

        return train


@contextlib.contextmanager
def served() -> Iterator[tuple[Path, str]]:
    """Yield a folder and the API URL of a server that the commands join."""
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as name:
        os.environ["PREFECT_HOME"] = str(Path(name, "prefect"))
        os.environ["DO_NOT_TRACK"] = "1"
        Path(name, "prefect").mkdir()
        from flows.prefect_server.embedded import start_or_join

        server = start_or_join()
        try:
            server.wait()
            yield Path(name), server.api_url
        finally:
            server.release()


def stages(spec_file: Path, store: Path) -> None:
    """Run all stages of a run, without Prefect."""
    from handler.run.inputs import RunInputs
    from handler.run.training_run import TrainingRun
    from handler.spec.reader import load_spec

    spec, folder = load_spec(spec_file)
    run = TrainingRun.of(RunInputs(spec=spec, folder=str(folder), store=str(store.absolute()), name=spec.name))
    assert run.completed_record() is None
    with run.lock():
        plan = run.plan()
        run.begin(plan)
        run.pre_fit()
        for segment in plan.segments:
            run.train_segment(segment.index)
        run.post_fit()
        run.report()
        run.mark_completed()


def main() -> None:
    parser = argparse.ArgumentParser(description="What does a run cost in addition to its training?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stages", type=Path, help="only the stages of this specification, in a process of its own")
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    if options.stages:
        stages(options.stages, options.store)
        return
    with served() as (folder, api_url):
        lines = measured(folder, options.rounds, api_url)
    answer(
        "What does a run cost in addition to its training?",
        lines,
        f"whole processes, medians of {options.rounds}; a tiny network, two steps an epoch, a segment an epoch; the "
        "server is already running",
        columns=("what", "through Prefect", "stages alone", "difference"),
    )


def measured(folder: Path, rounds: int, api_url: str) -> list[list[str]]:
    """Return the rows of the table."""
    bench = Bench(folder)
    specs = {count: specification(folder, count) for count in (FEW, MANY)}
    ways = ("Prefect", "stages")
    bench.trains("Prefect", specs[FEW])()  # the server's first requests, and Python's compiled files
    bench.starts, bench.ends = {}, {}
    times = alternate({f"{way} {n}": bench.trains(way, spec) for way in ways for n, spec in specs.items()}, rounds)
    middle = {what: statistics.median(taken) for what, taken in times.items()}
    per_segment = {w: (middle[f"{w} {MANY}"] - middle[f"{w} {FEW}"]) / (MANY - FEW) for w in ways}
    fixed = {w: middle[f"{w} {FEW}"] - FEW * per_segment[w] for w in ways}

    def line(what: str, found: dict[str, float], digits: int = 2, unit: float = 1.0, name: str = "s") -> list[str]:
        shown = [f"{found[w] * unit:.{digits}f} {name}" for w in ways]
        return [what, *shown, f"{(found['Prefect'] - found['stages']) * unit:+.{digits}f} {name}"]

    file = folder / "floor.py"
    file.write_text(FLOOR)
    environment = {**os.environ, "PREFECT_API_URL": api_url, "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    command = [sys.executable, str(file), str(MANY)]
    floor = [float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout) / MANY
             for _ in range(rounds)]  # fmt: skip
    run = (sys.executable, "-m", "flows.command", "train", str(specs[FEW]), "--store", str(folder / "store1"))
    again = [bench.run(*run) for _ in range(rounds)]
    return [
        line("a segment, its state and its task", per_segment, 1, 1e3, "ms"),
        line("the rest of a run", fixed),
        *(line(f"{n} segments", {w: middle[f"{w} {n}"] for w in ways}) for n in specs),
        line("from the command to the end of the first epoch", {w: statistics.median(bench.starts[w]) for w in ways}),
        line("from the end of the last epoch to the prompt", {w: statistics.median(bench.ends[w]) for w in ways}),
        ["an empty Prefect task", f"{statistics.median(floor) * 1e3:.1f} ms", "", ""],
        ["a complete run, run again", f"{statistics.median(again):.2f} s", "", ""],
    ]


if __name__ == "__main__":
    main()
