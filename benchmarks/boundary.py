"""Cost of changing the set of trainable layers.

    python -m benchmarks.boundary

The benchmark trains the same network in three ways, with the same four masks in turn and two steps under each:
Frostline (it keeps one traced step per mask and swaps them), compile() with a new optimizer at each boundary (the usual
way of freeze training; it loses the optimizer's state), and compile() with the same optimizer. The cost of a boundary
is the time of its two steps minus that of two steps without one.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks.harness import alternate, answer, row
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.freezing.model_outline import layers_with_weights

BATCH, STEPS, MASKS = 16, 2, 4


def network(blocks: int, width: int = 64) -> Any:
    """Return a network with `2 * blocks` weighted layers: shared dense layers over points, with batch normalisation."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((64, 3))
    x = inputs
    for i in range(blocks - 1):
        x = keras.layers.Dense(width, name=f"dense{i}")(x)
        x = keras.layers.Activation("relu")(keras.layers.BatchNormalization(name=f"norm{i}")(x))
    x = keras.layers.GlobalMaxPooling1D()(x)
    x = keras.layers.Dense(width, activation="relu", name="dense_last")(x)
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax", name="head")(x))


class Frostline:
    """Masks set by Frostline."""

    def __init__(self, model: Any, data: DLSequencer) -> None:
        model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        self.trainer, self.epoch = Trainer(model, data, epochs=10**6), 0

    def boundary(self, frozen: frozenset[str]) -> None:
        """Freeze these layers and unfreeze all others."""
        self.trainer.masks.apply(frozen)

    def train(self) -> None:
        """Train the steps of one epoch."""
        self.trainer.run(self.epoch, self.epoch + 1)
        self.epoch += 1


class Recompile:
    """Masks set by trainable flags and compile()."""

    def __init__(self, model: Any, data: DLSequencer, *, keep: bool) -> None:
        self.model, self.promote_snapshot = model, keep
        self.x, self.y = data.X, data.y
        self.layers = layers_with_weights(model)
        model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.optimizer.build(model.trainable_variables)

    def boundary(self, frozen: frozenset[str]) -> None:
        """Freeze these layers and unfreeze all others."""
        for path, layer in self.layers.items():
            layer.trainable = path not in frozen
        optimizer = self.model.optimizer if self.promote_snapshot else keras.optimizers.Adam(1e-3)
        self.model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    def train(self) -> None:
        """Train the steps of one epoch."""
        self.model.fit(self.x, self.y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)


def measured(blocks: int, rounds: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(BATCH * STEPS, 64, 3)).astype("float32"), rng.integers(4, size=BATCH * STEPS)
    data = [DLSequencer(x, y, BATCH) for _ in range(3)]
    ways = {
        "Frostline": Frostline(network(blocks), data[0]),
        "new optimizer": Recompile(network(blocks), data[1], keep=False),
        "same optimizer": Recompile(network(blocks), data[2], keep=True),
    }
    paths = list(layers_with_weights(network(blocks)))
    masks = [frozenset(paths[i::MASKS]) for i in range(MASKS)]
    costs: dict[str, dict[str, list[float]]] = {"first": {}, "again": {}}

    def both(way: Any, frozen: frozenset[str]) -> float:
        began = time.perf_counter()
        way.boundary(frozen)
        way.train()
        crossed = time.perf_counter()
        way.train()
        steady = min(time.perf_counter() - crossed, _timed(way.train))
        return max(crossed - began - steady, 1e-4)

    for way in ways.values():
        way.train()  # performs the imports, the first trace, and creates the metrics' variables
    for visit in range(rounds + 1):
        for frozen in masks:
            times = alternate({name: lambda way=way, frozen=frozen: both(way, frozen) for name, way in ways.items()}, 1)  # type: ignore[misc]
            for name, values in times.items():
                costs["again" if visit else "first"].setdefault(name, []).extend(values)
    count = len(paths)
    lines = []
    for when, said in (("first", "first visit of a mask"), ("again", "repeated boundary")):
        found = costs[when]
        lines.append(
            row(
                f"{count} layers, {said}: Frostline",
                found["Frostline"],
                beside=found["new optimizer"],
                peer="new optimizer",
            )
        )
        lines += [
            row(f"{count} layers, {said}: compile, {name}", found[name]) for name in ("new optimizer", "same optimizer")
        ]
    return lines


def _timed(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="What does it cost to change the trainable layers?")
    parser.add_argument("--rounds", type=int, default=1, help="the number of visits of each mask after the first")
    parser.add_argument("--layers", type=int, nargs="+", default=[40, 98])
    options = parser.parse_args()
    rows = [line for layers in options.layers for line in measured(layers // 2, options.rounds)]
    answer(
        "What does it cost to change the trainable layers?",
        rows,
        f"seconds above {STEPS} steady steps; {MASKS} masks of a quarter of the layers each, in turn",
    )


if __name__ == "__main__":
    main()
