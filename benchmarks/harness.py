"""The benchmarks' common parts: alternating variants, medians with their spread, ratios, and the machine's description.
"""

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
    """Return the wall time of a call, in seconds."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alternate(variants: Mapping[str, Variant], rounds: int) -> dict[str, list[float]]:
    """Run the variants in turn, and reverse the order in each round, so that a slow phase of the machine affects all of
    them.

    Args:
        variants: maps a name to a function; the function may return its own timing in seconds, else the whole call is
            timed.
        rounds: how often each variant runs.

    Returns:
        The times of each variant, in seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in list(variants)[:: 1 if number % 2 == 0 else -1]:
            began = time.perf_counter()
            own = variants[name]()
            times[name].append(time.perf_counter() - began if own is None else own)
    return times


def row(what: str, values: Sequence[float], *, beside: Sequence[float] | None = None, peer: str = "") -> dict[str, Any]:
    """Return one row of a table.

    Args:
        what: the row's label.
        values: seconds.
        beside: the peer's seconds; the ratio is the median of `values` divided by the median of `beside`.
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
    """A context manager that measures the peak of this process's resident memory, in MB above its value at entry."""

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
    """Return this process's resident memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def machine() -> dict[str, Any]:
    """Return a description of the machine and of the installed packages."""
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
    """Write a benchmark's answer to stdout as JSON, for `python -m benchmarks`.

    Args:
        question: the question that the benchmark answers.
        rows: rows made by `row`; if there are columns, lists of cell texts.
        notes: the unit and meaning of the values.
        columns: the column names of a table that does not hold times.
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
