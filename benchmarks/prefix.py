"""What does it save to compute a frozen prefix once?

    python -m benchmarks.prefix

A segment of 10 epochs with more and more of a residual network at rest: Frostline with the prefix computed once
(computing, writing, reading and tracing included) and in each epoch. And MobileNetV2 with all but the last block at
rest, beside plain Keras with the same layers frozen. Afterwards all variables are compared.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import networks
from benchmarks.harness import answer, row
from handler.engine.trainer import Trainer
from handler.layers import addressable
from handler.prefix.prefixes import Prefixes, PrefixOptions
from handler.sequencer import DLSequencer

BATCH, EPOCHS = 32, 10


def segment(model: Any, data: tuple[Any, Any], frozen: list[str], mode: str) -> tuple[float, Trainer]:
    """Trains the epochs of a segment; the seconds of all that belongs to it, and the trainer."""
    sequencer = DLSequencer(*data, BATCH, seed=3)
    trainer = Trainer(model, sequencer, epochs=EPOCHS + 1)
    trainer.run(0, 1)  # imports, the first trace, the metrics' variables
    with tempfile.TemporaryDirectory() as folder:
        options = PrefixOptions("on" if mode == "once" else "off")
        found = {"data": "these"}
        prefixes = Prefixes(trainer.masks, sequencer, options, folder=Path(folder), found=lambda: found)
        began = time.perf_counter()
        trainer.masks.apply(frozen)
        trainer.prefix = prefixes.of(frozen, EPOCHS)
        trainer.run(1, EPOCHS + 1)
        taken = time.perf_counter() - began
        assert (trainer.prefix is not None) == (mode == "once")
        prefixes.let_go()
    return taken, trainer


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
    for last in (5, 6, 7, "all but the head"):
        frozen = [p for p in paths if p != "head" and (last == "all but the head" or _block(p) <= int(last))]
        times: dict[str, list[float]] = {"once": [], "each": []}
        share, differ = 0.0, 0
        for number in range(rounds):
            trained = {}
            for mode in ("once", "each") if number % 2 == 0 else ("each", "once"):
                taken, trainer = segment(networks.residual(), data, frozen, mode)
                times[mode].append(taken)
                trained[mode] = trainer
            share = trained["once"].prefix.cut.share if trained["once"].prefix else 0.0
            differ += networks.differing(trained["once"].model, trained["each"].model)
        what = f"residual network, {share:.2f} of the forward pass at rest, {EPOCHS} epochs"
        lines.append(row(f"{what}: Frostline, once ({differ} variables differ)", times["once"], beside=times["each"],
                         peer="each epoch"))  # fmt: skip
        lines.append(row(f"{what}: Frostline, each epoch", times["each"]))
    return lines


def mobile(rounds: int, rows: int) -> list[dict[str, Any]]:
    """The lines of MobileNetV2."""
    data = networks.examples(networks.mobile(), rows)
    paths = list(addressable(networks.mobile()))
    frozen = [p for p in paths if not any(part in p for part in ("block_16", "Conv_1", "head"))]
    times: dict[str, list[float]] = {"once": [], "each epoch": [], "Keras": []}
    differ = 0
    for number in range(rounds):
        trained = {}
        ways = list(times)
        for way in ways if number % 2 == 0 else reversed(ways):
            if way == "Keras":
                times[way].append(plain(networks.mobile(), data, frozen))
            else:
                taken, trained[way] = segment(networks.mobile(), data, frozen, way.split()[0])
                times[way].append(taken)
        differ += networks.differing(trained["once"].model, trained["each epoch"].model)
    what = f"MobileNetV2, all but the last block at rest, {EPOCHS} epochs"
    return [
        row(f"{what}: Frostline, once ({differ} variables differ)", times["once"], beside=times["Keras"], peer="Keras"),
        row(f"{what}: Frostline, each epoch", times["each epoch"]),
        row(f"{what}: Keras", times["Keras"]),
    ]


def _block(path: str) -> int:
    return -1 if path == "stem" else int(path.removeprefix("block").partition("_")[0])


def main() -> None:
    parser = argparse.ArgumentParser(description="What does it save to compute a frozen prefix once?")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=1600)
    options = parser.parse_args()
    rows = [*residual(options.rounds, options.rows), *mobile(options.rounds, options.rows // 4)]
    answer(
        "What does it save to compute a frozen prefix once?",
        rows,
        f"seconds of a whole segment of {options.rows} examples (MobileNetV2: {options.rows // 4} of 96 x 96), batches "
        f"of {BATCH}: computing the prefix, writing it, its traces and all epochs",
    )


if __name__ == "__main__":
    main()
