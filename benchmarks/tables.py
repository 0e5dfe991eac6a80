"""The tables made from `benchmarks/results.json`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# The rows that the README shows: benchmark, beginning of the row's label.
BEST = (
    ("schedule", "98 layers over points, 30 epochs in 15 segments: Frostline"),
    ("prefix", "MobileNetV2, Conv_1 and the head trainable, 10 epochs: Frostline, activations computed"),
    ("steps", "400 steps: Frostline, many per graph call"),
    ("boundary", "98 layers, repeated boundary: Frostline"),
    ("boundary", "98 layers, first visit of a mask: Frostline"),
    ("growth", "one of 1000 segments, through Prefect"),
    ("snapshot", "a snapshot of a 200 MB state stops"),
    ("state_formats", "200 MB in 96 variables, write, durable: Frostline, 95% unchanged"),
    ("backup", "0.98 GB, write, durable: Frostline"),
    ("backup", "0.98 GB, restore in place: Frostline"),
)
HEAD = """# Benchmarks

`make bench` runs each benchmark in its own process, writes `benchmarks/results.json`, and generates this page and the
README's table from it. The benchmark `state` runs in a separate environment, because its peers have many dependencies.
Variants alternate; a figure is a median with its spread. The ratio is Frostline's median divided by the peer's in the
same benchmark run: below 1 is faster. Terms: [glossary](glossary.md).
"""


def text(results: dict[str, Any]) -> str:
    """Return every question with its table, as Markdown."""
    parts = []
    for name, found in results.items():
        head = [f"## {found['question']}", "", f"`python -m benchmarks.{name}`: {found['notes']}."]
        where = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
        parts.append("\n".join([*head, "", *table(found), "", f"{found['when']}; {where}."]))
    return "\n\n".join(parts)


def table(found: dict[str, Any]) -> list[str]:
    """Return the lines of one question's table, of times or of the columns that it names."""
    columns = found.get("columns") or ["what", "median", "spread", "runs", "ratio"]
    rows = [
        r if "columns" in found else [r["what"], _time(r["median"]), _spread(r), str(r["runs"]), _ratio(r)]
        for r in found["rows"]
    ]
    head, *lines = [" | ".join(["", *row, ""]).strip() for row in (columns, *rows)]
    return [head, "|" + "---|" * len(columns), *lines]


def write(results: dict[str, Any], root: Path) -> None:
    """Write the page, the README's block and, if resumption was measured, the block of `docs/reliability.md`."""
    (root / "docs" / "benchmarks.md").write_text(f"{HEAD}\n{text(results)}\n", encoding="utf-8")
    _put(root / "README.md", "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->", best(results))
    if "resumption" in results:
        lines = [*table(results["resumption"]), "", f"{results['resumption']['notes']}.", ""]
        _put(root / "docs" / "reliability.md", "<!-- peers -->", "<!-- end of peers -->", "\n".join(lines))


def _put(page: Path, begin: str, end: str, found: str) -> None:
    """Replace the lines between two marks of a page."""
    block = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", flags=re.DOTALL)
    before = page.read_text(encoding="utf-8")
    page.write_text(block.sub(lambda m: m[1] + found + m[2], before), encoding="utf-8")


def best(results: dict[str, Any]) -> str:
    """Return the README's table."""
    lines = ["| measured on two cores | median | compared with |", "|---|---|---|"]
    for question, begins in BEST:
        for r in results.get(question, {}).get("rows", []):
            if r["what"].startswith(begins):
                what = r["what"].replace(": Frostline", "").replace(", durable", " to disk").partition(" (")[0]
                lines.append(f"| {what} | {_time(r['median'])} | {_ratio(r)} |")
    return "\n".join([*lines, "", "All benchmarks and how they are measured: [benchmarks](docs/benchmarks.md).", ""])


def _time(seconds: float) -> str:
    return (
        f"{seconds:.2f} s"
        if abs(seconds) >= 0.1
        else f"{seconds * 1000:.2g} ms"
        if abs(seconds) < 0.01
        else f"{seconds * 1000:.0f} ms"
    )


def _spread(r: dict[str, Any]) -> str:
    return f"{_time(r['least'])} to {_time(r['most'])}"


def _ratio(r: dict[str, Any]) -> str:
    # Two decimals, so that a value above its peer's does not read as equal to it.
    return f"{r['ratio']:.{'2f' if r['ratio'] >= 0.1 else '2g'}}x of {r['peer']}" if "ratio" in r else ""
