"""Cost of an epoch of many small steps.

    python -m benchmarks.steps

A network of three small layers is trained with batches of 32, on the same data in the same order. Frostline with many
steps in one graph call, and with each step as one call (used if a callback has batch hooks), is compared with `fit` on
arrays, `fit` on the same sequencer, and `fit` with 50 steps per execution. At the end, all variables are compared with
those of `fit`.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from benchmarks import networks
from benchmarks.harness import alternate, answer, row
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.observer import Observer

BATCH = 32


class Each(Observer):
    """An observer of each step, which makes the trainer call each step separately."""

    def on_step(self, epoch: int, step: int, steps: int, logs: dict) -> None:
        """Do nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description="What does an epoch of many small steps cost?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    x, y = networks.examples(networks.perceptron(), BATCH * options.steps - 7)

    def ours(observers: list[Observer]) -> tuple[Trainer, list[int]]:
        data = DLSequencer(x, y, BATCH, shuffle=False)
        return Trainer(networks.perceptron(), data, epochs=10**6, observers=observers), [0]

    def run(way: tuple[Trainer, list[int]]) -> None:
        trainer, epoch = way
        trainer.run(epoch[0], epoch[0] + 1)
        epoch[0] += 1

    many, each = ours([]), ours([Each()])
    plain, sequenced, unrolled = (networks.perceptron() for _ in range(3))
    unrolled.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"], steps_per_execution=50
    )
    fit = {"batch_size": BATCH, "epochs": 1, "shuffle": False, "verbose": 0}
    data = DLSequencer(x, y, BATCH, shuffle=False)
    variants = {
        "Frostline, many per graph call": lambda: run(many),
        "Frostline, one per call": lambda: run(each),
        "fit, arrays": lambda: plain.fit(x, y, **fit) and None,
        "fit, the same sequencer": lambda: sequenced.fit(data, epochs=1, shuffle=False, verbose=0) and None,
        "fit, arrays, 50 steps per execution": lambda: unrolled.fit(x, y, **fit) and None,
    }
    alternate(variants, 1)  # performs the imports and traces
    times = alternate(variants, options.rounds)
    differ = [networks.differing(model, plain) for model in (many[0].model, each[0].model, sequenced)]
    lines = [
        row(f"{options.steps} steps: {name}", times[name], beside=times["fit, arrays"], peer="fit, arrays")
        if name.startswith("Frostline")
        else row(f"{options.steps} steps: {name}", times[name])
        for name in variants
    ]
    answer(
        "What does an epoch of many small steps cost?",
        lines,
        f"seconds an epoch, a network of 3 layers of 64, batches of {BATCH}; variables that differ from those of `fit` "
        f"on arrays: {', '.join(map(str, differ))} (many per graph call, one per call, `fit` on the sequencer)",
    )


if __name__ == "__main__":
    main()
