"""Growth of memory with the number of masks that a training visits.

    python -m benchmarks.masks

It trains the 98-layer network over points under one mask after the other, none of them twice, with two steps under
each. It measures resident memory after a number of masks for Frostline (which keeps the traced steps of the 16 latest
masks) and for compile() with a new optimizer at each boundary. Each runs in a process of its own, both at the same
time.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.boundary import BATCH, STEPS, Frostline, Recompile, network
from benchmarks.harness import answer, resident
from benchmarks.networks import examples
from handler.engine.sequencer import DLSequencer
from handler.freezing.model_outline import layers_with_weights

LOOKED_AT = (1, 8, 16, 24, 32)


def visited(way: str) -> list[float]:
    """Return the resident memory after each number of masks in `LOOKED_AT`, in MB."""
    model = network(49)
    paths = list(layers_with_weights(model))
    data = DLSequencer(*examples(model, BATCH * STEPS), BATCH)
    trained: Any = Frostline(model, data) if way == "Frostline" else Recompile(model, data, keep=False)
    found = []
    for number in range(1, max(LOOKED_AT) + 1):
        trained.boundary(frozenset(paths[: number + 1]))
        trained.train()
        if number in LOOKED_AT:
            gc.collect()
            found.append(resident() / 1e6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Does memory grow with the masks that a training visits?")
    parser.add_argument("--way", choices=("Frostline", "compile"), help="only this way, in a process of its own")
    options = parser.parse_args()
    if options.way:
        print(*visited(options.way))
        return
    command = [sys.executable, "-m", "benchmarks.masks", "--way"]
    ways = ("Frostline", "compile")
    begun = {way: subprocess.Popen([*command, way], stdout=subprocess.PIPE, text=True) for way in ways}
    found = {way: [float(value) for value in process.communicate()[0].split()] for way, process in begun.items()}
    rows = [
        [str(number), f"{ours:.0f} MB", f"{theirs:.0f} MB"]
        for number, ours, theirs in zip(LOOKED_AT, found["Frostline"], found["compile"], strict=True)
    ]
    answer(
        "Does memory grow with the masks that a training visits?",
        rows,
        "resident memory of the process, 98 layers",
        columns=("masks visited", "Frostline", "compile, new optimizer"),
    )


if __name__ == "__main__":
    main()
