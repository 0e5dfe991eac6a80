"""Time saved by a sweep over as many separate trainings.

    python -m benchmarks.sweep

Eight schedules share their first half. `frostline sweep` over processes, and over a Dask cluster of the same number of
workers, is compared with eight `frostline train` commands with separate stores, as many at a time. The times are those
of whole processes, including their start and Prefect's; a server is already running. The weights of all runs are
compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import alternate, answer, row
from flows.prefect_server.embedded import start_or_join

ROOT = Path(__file__).parent.parent
AT_A_TIME = 2
MODULE = '''
import keras
import numpy as np
from keras import layers as L


def arrays(examples):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(examples, 32, 32, 3)).astype("float32")
    return x, (x.mean(axis=(1, 2, 3)) > 0).astype("int64")


def network():
    given = x = keras.Input((32, 32, 3))
    for i in range(4):
        y = L.Conv2D(16, 3, padding="same", activation="relu", name=f"block{i}_a")(x)
        y = L.Conv2D(16, 3, padding="same", name=f"block{i}_b")(y)
        y = L.BatchNormalization(name=f"block{i}_n")(L.Add()([y, L.Conv2D(16, 1, name=f"block{i}_s")(x)]))
        x = L.Activation("relu")(y)
    return keras.Model(given, L.Dense(2, activation="softmax", name="head")(L.GlobalAveragePooling2D()(x)))
'''
RATES = [0.001 * (i + 1) for i in range(8)]
CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers={n}, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as c:
        print(c.scheduler_address, flush=True)
        sys.stdin.read()
"""


def spec(epochs: int, examples: int) -> dict[str, Any]:
    """Return a specification with two entries; the grid sets the learning rate of the second, which starts half-way."""
    half = epochs // 2
    return {
        "name": "half",
        "seed": 3,
        "data": {"source": "half:arrays", "args": {"examples": examples}},
        "model": {"architecture": "half:network", "compile": {"optimizer": "adam", "metrics": ["accuracy"]}},
        "training": {"epochs": epochs, "batch_size": 32, "threads": 1},
        "freeze_training": [
            {"training_interval": [half // 2, half], "layers": [["block0*"]]},
            {"training_interval": [half, epochs], "layers": [["block1*"]], "initial_learning_rate": 0.001},
        ],
    }


@contextmanager
def cluster(environment: dict[str, str]) -> Iterator[str]:
    """Yield the address of a Dask cluster on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cluster.py").write_text(CLUSTER.format(n=AT_A_TIME))
        command = [sys.executable, "cluster.py"]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with process:
            assert process.stdout is not None
            assert process.stdin is not None
            yield process.stdout.readline().strip()
            process.stdin.close()


class Trainings:
    """The ways to train 8 specifications, each in a store of its own.

    Args:
        folder: the folder of the specification.
        environment: the environment of the commands.

    Attributes:
        weights: way -> digests of the final weights of its last round.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.weights: dict[str, list[str]] = {}
        self._stores = 0

    def separate(self) -> None:
        def one(given: tuple[float, str]) -> str:
            rate, where = given
            changed = f"freeze_training.1.initial_learning_rate={rate}"
            return str(self._run("train", "half.yaml", "--store", where, "--set", changed)["weights"])

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            self.weights["separate"] = list(pool.map(one, [(rate, self._store()) for rate in RATES]))

    def swept(self, *more: str) -> None:
        grid = f"freeze_training.1.initial_learning_rate={','.join(map(str, RATES))}"
        found = self._run("sweep", "half.yaml", "--grid", grid, "--store", self._store(), *more)
        self.weights[more[0]] = [run["weights"] for run in found["runs"]]

    def _run(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "flows.command", *arguments, "--json"]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _store(self) -> str:
        self._stores += 1
        return f"store-{self._stores}"


def main() -> None:
    parser = argparse.ArgumentParser(description="What does a sweep save compared with separate trainings?")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--examples", type=int, default=6000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["PREFECT_HOME"] = f"{place}/prefect"
        server = start_or_join()
        server.wait()
        environment = os.environ | {"PREFECT_API_URL": server.api_url, "PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"}
        folder = Path(place) / "project"
        folder.mkdir()
        (folder / "half.py").write_text(MODULE)
        (folder / "half.yaml").write_text(json.dumps(spec(options.epochs, options.examples)))
        trainings = Trainings(folder, environment)
        with cluster(environment) as address:
            variants = {
                "8 separate trainings": trainings.separate,
                "frostline sweep, processes": lambda: trainings.swept("--processes", str(AT_A_TIME)),
                "frostline sweep, Dask": lambda: trainings.swept("--dask", address),
            }
            times = alternate(variants, options.rounds)
        server.release()
    weights = trainings.weights
    same = all(found == weights["separate"] for found in weights.values())
    beside = times["8 separate trainings"]
    lines = [row("8 separate trainings", beside)]
    lines += [row(name, times[name], beside=beside, peer="separate") for name in list(variants)[1:]]
    answer(
        "What does a sweep save compared with separate trainings?",
        lines,
        f"seconds for 8 trainings of {options.epochs} epochs that differ from half-way on, {AT_A_TIME} at a time with "
        f"a thread each, whole processes; the weights are {'bit-identical in all ways' if same else 'DIFFERENT'}",
    )


if __name__ == "__main__":
    main()
