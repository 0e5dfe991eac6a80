"""What does it save to compute a frozen prefix once?

    python -m benchmarks.prefix

A segment of 10 epochs with more and more of a residual network at rest: with the prefix computed once (computing,
writing, reading and tracing included), with the prefix of an earlier run found, and with all of the network in each
epoch. And MobileNetV2 with all but its last block at rest, or its last convolution, beside plain Keras with the same
layers frozen. Afterwards all variables are compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import networks
from benchmarks.harness import answer, row
from handler.engine.trainer import Trainer
from handler.layers import addressable
from handler.observe import Observer
from handler.prefix.prefixes import Prefixes, PrefixOptions
from handler.sequencer import DLSequencer

BATCH, EPOCHS = 32, 10


@dataclass
class Segment:
    """A segment that was trained.

    Attributes:
        seconds: of all that belongs to it.
        epoch: seconds of an epoch, the median.
        share: of the forward pass that the prefix is; 0 without one.
        model: the network.
    """

    seconds: float
    epoch: float
    share: float
    model: Any


class Epochs(Observer):
    """How long epochs took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        self.seconds.append(seconds)


def segment(model: Any, data: tuple[Any, Any], frozen: list[str], folder: Path | None) -> Segment:
    """Trains the epochs of a segment.

    Args:
        model: the network, compiled.
        data: X and y.
        frozen: the layers at rest.
        folder: where the prefix is kept, and found if it is there; None: all of the network in each epoch.
    """
    sequencer, epochs = DLSequencer(*data, BATCH, seed=3), Epochs()
    trainer = Trainer(model, sequencer, epochs=EPOCHS + 1, observers=[epochs])
    trainer.run(0, 1)  # imports, the first trace, the metrics' variables
    found = {"data": "these"}
    prefixes = Prefixes(
        trainer.masks,
        sequencer,
        PrefixOptions("on" if folder else "off"),
        folder=folder,
        found=lambda: found,
        trace=trainer.trace,
    )
    began = time.perf_counter()
    trainer.masks.apply(frozen)
    trainer.prefix = prefixes.of(frozen, EPOCHS)
    trainer.run(1, EPOCHS + 1)
    taken = time.perf_counter() - began
    assert (trainer.prefix is not None) == (folder is not None)
    prefixes.let_go()
    share = trainer.prefix.cut.share if trainer.prefix else 0.0
    return Segment(taken, statistics.median(epochs.seconds[1:]), share, model)


def ways(make: Callable[[], Any], data: tuple[Any, Any], frozen: list[str], rounds: int) -> dict[str, list[Segment]]:
    """The segment with the prefix computed, with it found, and without it, in turn."""
    trained: dict[str, list[Segment]] = {"computed": [], "found": [], "each epoch": []}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for way in list(trained) if number % 2 == 0 else ["each epoch", "computed", "found"]:
                trained[way].append(segment(make(), data, frozen, None if way == "each epoch" else Path(folder)))
            assert len(list(Path(folder).glob("*.zarr"))) == 1, "what was computed is found"
    return trained


def differ(trained: dict[str, list[Segment]]) -> int:
    """How many variables aren't those of the whole network's training."""
    pairs = [(one, other) for way in ("computed", "found")
             for one, other in zip(trained[way], trained["each epoch"], strict=True)]  # fmt: skip
    return sum(networks.differing(one.model, other.model) for one, other in pairs)


def plain(model: Any, data: tuple[Any, Any], frozen: list[str]) -> float:
    """The same epochs by Keras, its layers frozen before `compile`, the first epoch of it (a trace) like the others."""
    for path, layer in addressable(model).items():
        layer.trainable = path not in frozen
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    began = time.perf_counter()
    model.fit(*data, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return time.perf_counter() - began


def residual(rounds: int, rows: int) -> list[dict[str, Any]]:
    """The lines of the residual network."""
    model = networks.residual()
    data, paths = networks.examples(model, rows), list(addressable(model))
    lines = []
    for trains in ("block6_", "block7_b", "block8_", "block8_b", "head"):
        frozen = paths[: next(at for at, path in enumerate(paths) if path.startswith(trains))]
        trained = ways(networks.residual, data, frozen, rounds)
        share = "head only" if trains == "head" else f"{trained['found'][0].share:.2f} of the forward pass at rest"
        what = f"residual network, {share}"
        assert differ(trained) == 0
        whole, epochs = ({way: [getattr(s, of) for s in made] for way, made in trained.items()}
                         for of in ("seconds", "epoch"))  # fmt: skip
        beside = {"beside": whole["each epoch"], "peer": "each epoch"}
        lines += [
            row(f"{what}, {EPOCHS} epochs: Frostline, prefix found (0 variables differ)", whole["found"], **beside),
            row(f"{what}, {EPOCHS} epochs: Frostline, prefix computed", whole["computed"], **beside),
            row(f"{what}, {EPOCHS} epochs: Frostline, each epoch", whole["each epoch"]),
            row(f"{what}, one epoch: Frostline", epochs["found"], beside=epochs["each epoch"], peer="each epoch"),
            *(row(f"{what}, what isn't epochs: Frostline, {way if way == 'each epoch' else f'prefix {way}'}",
                  [s.seconds - EPOCHS * s.epoch for s in trained[way]])
              for way in ("found", "computed", "each epoch")),
        ]  # fmt: skip
    return lines


def mobile(rounds: int, rows: int) -> list[dict[str, Any]]:
    """The lines of MobileNetV2."""
    data = networks.examples(networks.mobile(), rows)
    paths = list(addressable(networks.mobile()))
    lines = []
    for said, trains in (("block_16, Conv_1 and the head", ("block_16", "Conv_1", "head")),
                         ("Conv_1 and the head", ("Conv_1", "head"))):  # fmt: skip
        frozen = [p for p in paths if not any(part in p for part in trains)]
        trained: dict[str, list[Segment]] = {"computed": [], "found": [], "each epoch": []}
        peer = []
        for _ in range(rounds):
            peer.append(plain(networks.mobile(), data, frozen))
            for way, made in ways(networks.mobile, data, frozen, 1).items():
                trained[way] += made
        assert differ(trained) == 0
        what, beside = f"MobileNetV2, {said} train, {EPOCHS} epochs", {"beside": peer, "peer": "Keras"}
        called = {way: way if way == "each epoch" else f"prefix {way} (0 variables differ)" for way in trained}
        lines += [row(f"{what}: Frostline, {called[way]}", [s.seconds for s in made], **beside)
                  for way, made in trained.items()]  # fmt: skip
        lines.append(row(f"{what}: Keras", peer))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="What does it save to compute a frozen prefix once?")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=3200)
    options = parser.parse_args()
    rows = [*residual(options.rounds, options.rows), *mobile(options.rounds, options.rows)]
    answer(
        "What does it save to compute a frozen prefix once?",
        rows,
        f"seconds of a whole segment of {options.rows} examples (MobileNetV2's are 96 x 96), batches "
        f"of {BATCH}: computing the prefix, writing it, its traces, all epochs; where it says so, of one epoch or of "
        "what isn't epochs: the pass, the writing and the traces",
    )


if __name__ == "__main__":
    main()
