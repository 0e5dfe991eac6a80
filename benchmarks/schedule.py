"""Cost of a whole freeze training.

    python -m benchmarks.schedule

The training has 30 epochs of about two seconds, in which groups of layers are frozen in turn, two epochs each: 15
segments. It compares Frostline (`DLTrainingHandler` with a store, so that every segment's state is durable), the naive
loop (flags, compile with a new optimizer, fit), and plain `fit` of the same epochs without frozen layers. The measured
time is from the begin of the first epoch to the end of the last.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from benchmarks import networks
from benchmarks.harness import alternate, answer, row, seconds
from handler import DLTrainingHandler
from handler.arch.keras_model import KerasArchitecture
from handler.freezing.model_outline import layers_with_weights, outline
from handler.schedule.schedule import compute_schedule
from handler.training.model_handler import DLModelHandler

EPOCHS, PERIOD, GROUPS = 30, 2, 3
EPOCH_SECONDS = 2.0


def entry(paths: list[str]) -> dict[str, Any]:
    """Return an entry that freezes groups of neighbouring layers in turn; the head is always trainable."""
    size = -(-(len(paths) - 1) // GROUPS)
    units = [paths[:-1][at : at + size] for at in range(0, len(paths) - 1, size)]
    return {"layers": units, "strategy": {"name": "round_robin", "period": PERIOD}}


class Ways:
    """The ways to train one kind of network on the same data."""

    def __init__(self, make: Callable[[], Any], data: tuple[Any, Any], batch: int) -> None:
        self.make, self.batch, self.data = make, batch, data
        self.entry = entry(list(layers_with_weights(make())))

    def frostline(self) -> None:
        """Train the whole schedule with Frostline."""
        mh = DLModelHandler(KerasArchitecture(self.make()), training_epochs=EPOCHS, batch_size=self.batch)
        mh.compile()
        with tempfile.TemporaryDirectory() as store:
            DLTrainingHandler(self.entry, store=store)(mh, *self.data)

    def naive(self) -> None:
        """Set the flags, compile and fit at each boundary."""
        model = self.make()
        layers = layers_with_weights(model)
        for segment in compute_schedule(self.entry, EPOCHS, outline(model)).segments:
            for path, layer in layers.items():
                layer.trainable = path not in segment.frozen
            model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
            model.fit(*self.data, batch_size=self.batch, epochs=segment.end - segment.start, verbose=0)

    def plain(self) -> None:
        """Train with all layers trainable."""
        self.make().fit(*self.data, batch_size=self.batch, epochs=EPOCHS, verbose=0)


def of_this_machine(make: Callable[[], Any], batch: int = 32) -> Ways:
    """Return the ways with as many full batches as plain `fit` processes in `EPOCH_SECONDS` on this machine."""
    model, few = make(), 10
    x, y = networks.examples(model, few * batch)
    least = min(seconds(lambda: model.fit(x, y, batch_size=batch, verbose=0)) for _ in range(4))
    return Ways(make, networks.examples(model, round(EPOCH_SECONDS * few / least) * batch), batch)


KINDS: dict[str, tuple[str, Callable[[], Ways]]] = {
    "residual": ("residual network", lambda: of_this_machine(networks.residual)),
    "points": ("98 layers over points", lambda: of_this_machine(networks.pointwise)),
    "autoencoder": ("ConvAutoencPwiseClassif", lambda: Ways(*networks.autoencoder(), 8)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What does a whole freeze training cost?")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--networks", nargs="+", choices=KINDS, default=["residual", "points"])
    options = parser.parse_args()
    rows, sizes = [], []
    for kind in options.networks:
        name, make = KINDS[kind]
        ways = make()
        sizes.append(f"{name}: {len(ways.data[1])} examples")
        times = alternate({"ours": ways.frostline, "naive": ways.naive, "plain": ways.plain}, options.rounds)
        what = f"{name}, {EPOCHS} epochs in 15 segments"
        rows += [
            row(f"{what}: Frostline", times["ours"], beside=times["naive"], peer="the naive loop"),
            row(f"{what}: Frostline, compared with plain fit", times["ours"], beside=times["plain"], peer="plain fit"),
            row(f"{what}: compile with a new optimizer at each boundary", times["naive"]),
            row(f"{name}, {EPOCHS} epochs: plain fit, nothing frozen", times["plain"]),
        ]
    answer(
        "What does a whole freeze training cost?",
        rows,
        f"seconds of all epochs; {GROUPS} groups of layers are frozen in turn, {PERIOD} epochs each; Frostline writes "
        "states. " + "; ".join(sizes),
    )


if __name__ == "__main__":
    main()
