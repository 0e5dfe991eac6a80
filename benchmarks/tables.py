"""The tables that are made from `benchmarks/results.json`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# The lines the README shows: question, beginning of the line.
BEST = (
    ("boundary", "98 layers, repeated boundary: Frostline"),
    ("boundary", "98 layers, first visit of a mask: Frostline"),
    ("state", "200 MB in 96 variables, write, durable: Frostline, 95% unchanged"),
    ("state", "2 MB in 500 variables, write, durable: Frostline"),
)
HEAD = """# Benchmarks

`make bench` asks each question in a process of its own, writes `benchmarks/results.json` and makes this page and the
README's table from it. Variants run in turn; a figure is a median with its spread. The ratio is Frostline's median to
the peer's in the same run: below 1 is faster.
"""


def text(results: dict[str, Any]) -> str:
    """Every question with its table, as Markdown."""
    parts = []
    for name, found in results.items():
        lines = [
            f"## {found['question']}",
            "",
            f"`python -m benchmarks.{name}`: {found['notes']}.",
            "",
            "| what | median | spread | runs | ratio |",
            "|---|---|---|---|---|",
        ]
        lines += [
            " | ".join(["", r["what"], _time(r["median"]), _spread(r), str(r["runs"]), _ratio(r), ""]).strip()
            for r in found["rows"]
        ]
        where = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
        parts.append("\n".join([*lines, "", f"{found['when']}; {where}."]))
    return "\n\n".join(parts)


def write(results: dict[str, Any], root: Path) -> None:
    """Writes the page and the README's block."""
    (root / "docs" / "benchmarks.md").write_text(f"{HEAD}\n{text(results)}\n", encoding="utf-8")
    readme = root / "README.md"
    block = re.compile(r"(<!-- benchmarks: begin -->\n).*?(<!-- benchmarks: end -->)", flags=re.DOTALL)
    readme.write_text(
        block.sub(lambda m: m[1] + best(results) + m[2], readme.read_text(encoding="utf-8")), encoding="utf-8"
    )


def best(results: dict[str, Any]) -> str:
    """The README's table."""
    lines = ["| measured on two cores | median | beside |", "|---|---|---|"]
    for question, begins in BEST:
        for r in results.get(question, {}).get("rows", []):
            if r["what"].startswith(begins):
                what = r["what"].replace(": Frostline", "").replace(", durable", " to disk")
                lines.append(f"| {what} | {_time(r['median'])} | {_ratio(r)} |")
    return "\n".join([*lines, "", "How, and all of it: [benchmarks](docs/benchmarks.md).", ""])


def _time(seconds: float) -> str:
    return (
        f"{seconds:.2f} s"
        if seconds >= 0.1
        else f"{seconds * 1000:.2g} ms"
        if seconds < 0.01
        else f"{seconds * 1000:.0f} ms"
    )


def _spread(r: dict[str, Any]) -> str:
    return f"{_time(r['least'])} to {_time(r['most'])}"


def _ratio(r: dict[str, Any]) -> str:
    return f"{r['ratio']:.2g}x of {r['peer']}" if "ratio" in r else ""
