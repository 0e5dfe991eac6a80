"""Time saved by caching the activations of a frozen prefix.

    python -m benchmarks.prefix

It trains a segment of 10 epochs with a growing frozen part of a residual network in three ways: with the prefix
computed once (including computing, writing, reading and tracing), with the activation cache of an earlier run, and with
the whole network in each epoch. It also trains MobileNetV2 with all layers but its last block, or its last convolution,
frozen, and compares this with plain Keras with the same frozen layers. At the end, it compares all variables.
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
from handler.activation_cache.cache import ActivationCache, PrefixOptions
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.freezing.model_outline import layers_with_weights
from handler.observer import Observer

BATCH, EPOCHS = 32, 10
COMPUTED, CACHED, WHOLE = "activations computed", "cached activations", "whole network"


@dataclass
class Segment:
    """A trained segment.

    Attributes:
        seconds: wall time of the whole segment, in seconds.
        epoch: the median duration of an epoch, in seconds.
        share: the share of the forward pass in the frozen prefix; 0 without one.
        model: the network.
    """

    seconds: float
    epoch: float
    share: float
    model: Any


class Epochs(Observer):
    """An observer that records the duration of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_epoch(self, epoch: int, logs: dict[str, float], seconds: float) -> None:
        self.seconds.append(seconds)


def segment(model: Any, data: tuple[Any, Any], frozen: list[str], folder: Path | None) -> Segment:
    """Train the epochs of a segment.

    Args:
        model: the network, compiled.
        data: X and y.
        frozen: the paths of the frozen layers.
        folder: the folder of the activation cache, used if it exists there; None: compute the whole network in each
            epoch.
    """
    sequencer, epochs = DLSequencer(*data, BATCH, seed=3), Epochs()
    trainer = Trainer(model, sequencer, epochs=EPOCHS + 1, observers=[epochs])
    trainer.run(0, 1)  # performs the imports, the first trace, and creates the metrics' variables
    prefixes = ActivationCache(
        trainer.masks,
        sequencer,
        PrefixOptions("on" if folder else "off"),
        folder=folder,
        digests={"data": "these"},
        trace=trainer.trace,
    )
    began = time.perf_counter()
    trainer.masks.apply(frozen)
    trainer.prefix = prefixes.for_segment(frozen, EPOCHS)
    trainer.run(1, EPOCHS + 1)
    taken = time.perf_counter() - began
    assert (trainer.prefix is not None) == (folder is not None)
    prefixes.release()
    share = trainer.prefix.cut.share if trainer.prefix else 0.0
    return Segment(taken, statistics.median(epochs.seconds[1:]), share, model)


def ways(make: Callable[[], Any], data: tuple[Any, Any], frozen: list[str], rounds: int) -> dict[str, list[Segment]]:
    """Train the segment with activations computed, with cached activations, and with the whole network, in turn."""
    trained: dict[str, list[Segment]] = {way: [] for way in (COMPUTED, CACHED, WHOLE)}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for way in list(trained) if number % 2 == 0 else [WHOLE, COMPUTED, CACHED]:
                trained[way].append(segment(make(), data, frozen, None if way == WHOLE else Path(folder)))
            assert len(list(Path(folder).glob("*.zarr"))) == 1, "the second way uses the cache of the first"
    return trained


def differ(trained: dict[str, list[Segment]]) -> int:
    """Return how many variables differ from those of the whole network's training."""
    pairs = [(one, other) for way in (COMPUTED, CACHED)
             for one, other in zip(trained[way], trained[WHOLE], strict=True)]  # fmt: skip
    return sum(networks.differing(one.model, other.model) for one, other in pairs)


def plain(model: Any, data: tuple[Any, Any], frozen: list[str]) -> float:
    """Train the same epochs with Keras, with the layers frozen before `compile`; return the seconds.

    The first epoch, which includes a trace, counts like the others.
    """
    for path, layer in layers_with_weights(model).items():
        layer.trainable = path not in frozen
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    began = time.perf_counter()
    model.fit(*data, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return time.perf_counter() - began


def residual(rounds: int, rows: int) -> list[dict[str, Any]]:
    """Return the rows of the residual network."""
    model = networks.residual()
    data, paths = networks.examples(model, rows), list(layers_with_weights(model))
    lines = []
    for trains in ("block6_", "block7_b", "block8_", "block8_b", "head"):
        frozen = paths[: next(at for at, path in enumerate(paths) if path.startswith(trains))]
        trained = ways(networks.residual, data, frozen, rounds)
        share = "head only" if trains == "head" else f"{trained[CACHED][0].share:.2f} of the forward pass frozen"
        what = f"residual network, {share}"
        assert differ(trained) == 0
        whole, epochs = ({way: [getattr(s, of) for s in made] for way, made in trained.items()}
                         for of in ("seconds", "epoch"))  # fmt: skip
        beside = {"beside": whole[WHOLE], "peer": f"the {WHOLE}"}
        lines += [
            row(f"{what}, {EPOCHS} epochs: Frostline, {CACHED} (0 variables differ)", whole[CACHED], **beside),
            row(f"{what}, {EPOCHS} epochs: Frostline, {COMPUTED}", whole[COMPUTED], **beside),
            row(f"{what}, {EPOCHS} epochs: Frostline, {WHOLE}", whole[WHOLE]),
            row(f"{what}, one epoch: Frostline", epochs[CACHED], beside=epochs[WHOLE], peer=f"the {WHOLE}"),
            *(row(f"{what}, time outside epochs: Frostline, {way}",
                  [s.seconds - EPOCHS * s.epoch for s in trained[way]])
              for way in (CACHED, COMPUTED, WHOLE)),
        ]  # fmt: skip
    return lines


def mobile(rounds: int, rows: int) -> list[dict[str, Any]]:
    """Return the rows of MobileNetV2."""
    data = networks.examples(networks.mobile(), rows)
    paths = list(layers_with_weights(networks.mobile()))
    lines = []
    for said, trains in (("block_16, Conv_1 and the head", ("block_16", "Conv_1", "head")),
                         ("Conv_1 and the head", ("Conv_1", "head"))):  # fmt: skip
        frozen = [p for p in paths if not any(part in p for part in trains)]
        trained: dict[str, list[Segment]] = {way: [] for way in (COMPUTED, CACHED, WHOLE)}
        peer = []
        for _ in range(rounds):
            peer.append(plain(networks.mobile(), data, frozen))
            for way, made in ways(networks.mobile, data, frozen, 1).items():
                trained[way] += made
        assert differ(trained) == 0
        what, beside = f"MobileNetV2, {said} trainable, {EPOCHS} epochs", {"beside": peer, "peer": "Keras"}
        called = {way: way if way == WHOLE else f"{way} (0 variables differ)" for way in trained}
        lines += [row(f"{what}: Frostline, {called[way]}", [s.seconds for s in made], **beside)
                  for way, made in trained.items()]  # fmt: skip
        lines.append(row(f"{what}: Keras", peer))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="How much time does the activation cache save?")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=3200)
    options = parser.parse_args()
    rows = [*residual(options.rounds, options.rows), *mobile(options.rounds, options.rows)]
    answer(
        "How much time does the activation cache save?",
        rows,
        f"seconds of a whole segment of {options.rows} examples (MobileNetV2's are 96 x 96), batches of {BATCH}: the "
        "pass that computes the activations, its write, the traces and all epochs; 'one epoch' is the median epoch, "
        "'time outside epochs' the rest: a difference of two noisy measurements, negative where it is smaller than "
        "their noise",
    )


if __name__ == "__main__":
    main()
