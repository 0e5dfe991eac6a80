"""Result of a training that was killed and resumed.

    python -m benchmarks.resumption

One training is made resumable in several ways (`resumption_ways.py`). The benchmark kills each with SIGKILL at the same
points, starts it again, and compares it with its own uninterrupted run. It does so with all features that make
resumption hard (dropout, layers frozen in turn, EarlyStopping, ReduceLROnPlateau), and without any of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from benchmarks.harness import answer
from benchmarks.resumption_ways import EPOCHS, STEPS, WAYS, Training

KILLS = {
    "within an epoch": ("step", 3, 6),
    "as the next epoch begins": ("epoch", 4),
    "while a checkpoint is written": ("write", 3),
}
QUESTION = "What does a training lose when it is killed and resumed?"
COLUMNS = [
    "what is killed",
    "where",
    "resumes",
    "largest difference of a weight",
    "steps trained again",
    "steps not trained",
    "epochs under a wrong mask",
    "rows of the history lost",
]


def attempt(way: Callable[..., Any], training: Training, folder: Path, to: Path) -> int:
    """Run a way in a separate process, which writes its weights to `to`; return the exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        from benchmarks.resumption_ways import kill_inside_a_write

        kill_inside_a_write(training)
        model, history = way(training, folder)
        np.savez(to, *[np.asarray(variable.numpy()) for variable in model.weights])
        to.with_suffix(".json").write_text(json.dumps({"rows": len(history["loss"])}))
        code = 0
    except Exception:
        training.note("error", traceback.format_exc(limit=1).strip().splitlines()[-1])
    finally:
        sys.stdout.flush()
        os._exit(code)


def weights(file: Path) -> list[np.ndarray]:
    """Return the weights that an attempt wrote."""
    with np.load(file, allow_pickle=False) as found:
        return [found[name] for name in found.files]


def steps(training: Training) -> list[tuple[int, int, str]]:
    """Return the completed steps, each with its epoch, step and frozen layers."""
    lines = [line.split(" ") for line in training.notes.read_text().splitlines()]
    return [(int(line[1]), int(line[2]), line[3]) for line in lines if line[0] == "step"]


def measured(name: str, full: bool) -> list[list[str]]:
    """Return the rows of one way, one per kill."""
    folder = Path(tempfile.mkdtemp(prefix="frostline-bench-"))
    try:
        whole = Training(full, None, folder / "whole.txt")
        (folder / "whole").mkdir()
        if attempt(WAYS[name], whole, folder / "whole", folder / "whole.npz") != 0:
            raise RuntimeError(f"{name} doesn't train: {whole.notes.read_text()[-500:]}")
        return [[name, where, *killed(WAYS[name], whole, kill, folder, number)]
                for number, (where, kill) in enumerate(KILLS.items())]  # fmt: skip
    finally:
        shutil.rmtree(folder)


def killed(way: Callable[..., Any], whole: Training, kill: tuple[Any, ...], top: Path, number: int) -> list[str]:
    """Kill a way once, resume it, and return the cells of its row."""
    folder, left = top / str(number), top / f"{number}.npz"
    folder.mkdir()
    first = Training(whole.full, kill, top / f"{number}-first.txt")
    if attempt(way, first, folder, left) != -signal.SIGKILL:
        raise RuntimeError(f"it wasn't killed {kill}: {first.notes.read_text()[-500:]}")
    second = Training(whole.full, None, top / f"{number}-second.txt")
    second.notes.touch()
    if attempt(way, second, folder, left) != 0:
        error = second.notes.read_text().splitlines()[-1].removeprefix("error ").replace(f"{folder}/", "")
        return [f"no: {error[:90].partition(' Please')[0]}", *["-"] * 5]
    done = Counter((epoch, step) for epoch, step, _ in [*steps(first), *steps(second)])
    expected = {(epoch, step) for epoch, step, _ in steps(whole)}
    wrong = {epoch for epoch, _, frozen in steps(second) if frozen != "+".join(sorted(whole.mask(epoch)))}
    apart = max(
        float(np.abs(a.astype("float64") - b.astype("float64")).max())
        for a, b in zip(weights(top / "whole.npz"), weights(left), strict=True)
    )
    rows = json.loads(left.with_suffix(".json").read_text())["rows"]
    lost = len({epoch for epoch, _ in done}) - rows
    counts = (sum(done.values()) - len(done), len(expected - set(done)), len(wrong), lost)
    return ["yes", f"{apart:.2g}" if apart else "0", *map(str, counts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("--only", default="", help="only the ways with this text in their name")
    options = parser.parse_args()
    rows: list[list[str]] = []
    for full, said in ((True, ""), (False, ", no dropout, nothing frozen")):
        for name in WAYS:
            if options.only in name and (full or "flags" not in name):
                rows += [[f"{name}{said}", *line[1:]] for line in measured(name, full)]
    notes = (
        f"{EPOCHS} epochs of {STEPS} steps at most, each way compared with its own uninterrupted training; unless "
        "stated otherwise with dropout, batch normalisation, three groups of layers frozen in turn, EarlyStopping and "
        "ReduceLROnPlateau. A difference of 0 means bit-identical weights"
    )
    answer(QUESTION, rows, notes, COLUMNS)


if __name__ == "__main__":
    main()
