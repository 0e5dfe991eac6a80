"""What all benchmarks share: variants in turn, medians with their spread, ratios, and the machine they ran on."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

Variant = Callable[[], float | None]


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alternate(variants: Mapping[str, Variant], rounds: int) -> dict[str, list[float]]:
    """Runs the variants in turn, each round in the other direction, so that what slows the machine slows all of them.

    Args:
        variants: name -> what is run; its own timing where it returns one (seconds), the whole call's otherwise.
        rounds: how often each is run.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in list(variants)[:: 1 if number % 2 == 0 else -1]:
            began = time.perf_counter()
            own = variants[name]()
            times[name].append(time.perf_counter() - began if own is None else own)
    return times


def row(what: str, values: Sequence[float], *, beside: Sequence[float] | None = None, peer: str = "") -> dict[str, Any]:
    """One line of a table.

    Args:
        what: what was measured.
        values: seconds.
        beside: the peer's seconds; the ratio is that of the medians, `values` to `beside`.
        peer: the peer's name.
    """
    found: dict[str, Any] = {
        "what": what,
        "median": statistics.median(values),
        "least": min(values),
        "most": max(values),
        "runs": len(values),
    }
    if beside is not None:
        found |= {"ratio": statistics.median(values) / statistics.median(beside), "peer": peer}
    return found


class Watch:
    """The most that this process's resident memory rises to, MB above what it was."""

    def __enter__(self) -> Watch:
        self.before = self.most_seen = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.002):
            self.most_seen = max(self.most_seen, resident())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.most = (self.most_seen - self.before) / 1e6


def resident() -> int:
    """This process's resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def machine() -> dict[str, Any]:
    """Where it ran."""
    packages = {name: version(name) for name in ("tensorflow", "keras", "numpy", "zarr", "prefect")}
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **packages,
        "load before": round(os.getloadavg()[0], 2),
    }


def answer(question: str, rows: Sequence[Any], notes: str, columns: Sequence[str] = ()) -> None:
    """Ends a benchmark: its answer as JSON on stdout, for `python -m benchmarks`.

    Args:
        question: what was asked.
        rows: lines made by `row`; where there are columns, the text of each.
        notes: what the figures are.
        columns: names of the columns of a table that doesn't tell of times.
    """
    found: dict[str, Any] = {"question": question, "notes": notes, "rows": rows}
    json.dump(found | ({"columns": columns} if columns else {}), sys.stdout)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
