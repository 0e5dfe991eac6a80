"""Takes out one guard after the other and looks whether its test turns red.

    python -m tests.faults.mutate                 all of them, each in a copy of the project
    python -m tests.faults.mutate snapshots       those with this in their name or file
    python -m tests.faults.mutate --table         writes the table in docs/reliability.md

What a guard is and which test watches it stands in `guards.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.guard import Guard
from tests.faults.guards import GUARDS

ROOT = Path(__file__).parent.parent.parent
PARTS = ("flows", "handler", "tasks", "tests", "docs", "examples", "benchmarks", "pyproject.toml", "prefect.yaml", "README.md", "Makefile")
BEGIN, END = "<!-- guards -->", "<!-- end of guards -->"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="part of a guard's fault or file")
    parser.add_argument("--table", action="store_true", help="write the table in docs/reliability.md, and nothing else")
    given = parser.parse_args()
    if given.table:
        return write_table(ROOT / "docs" / "reliability.md")
    chosen = [g for g in GUARDS if not given.only or any(text in f"{g.fault} {g.file}" for text in given.only)]
    survived = []
    began = time.monotonic()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, (guard, (red, told)) in enumerate(zip(chosen, pool.map(turns_red, chosen), strict=True), 1):
            print(f"{number}/{len(chosen)} {'red' if red else 'SURVIVED'}: {guard.fault} ({guard.file})", flush=True)
            if not red:
                survived.append(guard)
                print(told, flush=True)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} guards are watched; {time.monotonic() - began:.0f} s")
    return 1 if survived else 0


def turns_red(guard: Guard) -> tuple[bool, str]:
    """Whether the guard's test fails once the guard is taken out, and the end of what pytest told."""
    with tempfile.TemporaryDirectory(prefix="frostline-mutated-") as folder:
        copy = Path(folder)
        for part in PARTS:
            source = ROOT / part
            copied = shutil.copytree if source.is_dir() else shutil.copy
            copied(source, copy / part, **({"ignore": shutil.ignore_patterns("__pycache__")} if source.is_dir() else {}))
        file = copy / guard.file
        file.write_text(without(guard, file.read_text()))
        tested = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", guard.test],
            cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        # 1: a test failed. Anything else (no such test, an import error, a kill) proves nothing.
        return tested.returncode == 1 and "failed" in tested.stdout, tested.stdout[-1500:] + tested.stderr[-500:]


def without(guard: Guard, text: str) -> str:
    """The file's text without the guard."""
    if text.count(guard.line) != 1:
        raise SystemExit(f"{guard.file}: {guard.line!r} stands there {text.count(guard.line)} times; correct guards.py")
    return text.replace(guard.line, guard.instead)


def write_table(page: Path) -> int:
    """Writes the table of all guards between its marks."""
    rows = [f"| {g.fault} | `{g.file}`: {g.what} | `{g.test}` |" for g in GUARDS]
    table = "\n".join(["| fault | guard | the test that turns red without it |", "|---|---|---|", *rows])
    text = page.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    page.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
