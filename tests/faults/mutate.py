"""Take out one guard after the other, and check that its test turns red.

    python -m tests.faults.mutate                 all guards, in copies of the project
    python -m tests.faults.mutate snapshot        those with this in their name, their fault or the name of their file
    python -m tests.faults.mutate --table         write docs/guards.md, and nothing else

`guards.py` lists the guards and their tests.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.guard import Guard
from tests.faults.guards import GUARDS, THEMES
from tests.faults.markers import Marker, markers
from tests.faults.operators import mutant

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "guards.md"
PARTS = ("flows", "handler", "tasks", "tests", "docs", "examples", "benchmarks", "pyproject.toml", "prefect.yaml", "README.md", "Makefile")
HEAD = """# Guards

Terms: [glossary](glossary.md).

Each line of these tables is a fault, the protection against it, and the test that turns red without it. The comment
`# guard: name` marks the statement that protects. `python -m tests.faults.mutate` takes out each protection in a copy of
the project, by a change of the syntax tree (`tests/faults/operators.py`), and checks that the test fails.

`python -m tests.faults.mutate --table` writes this page from `tests/faults/guards.py`. Do not edit it.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="part of a guard's name or fault, or of its file's name")
    parser.add_argument("--table", action="store_true", help="write docs/guards.md, and nothing else")
    given = parser.parse_args()
    if given.table:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    places = {marker.name: marker for marker in markers(ROOT)}
    texts = {guard.name: f"{guard.name} {guard.fault} {places[guard.name].file}" for guard in GUARDS}
    chosen = [guard for guard in GUARDS if not given.only or any(part in texts[guard.name] for part in given.only)]
    return 0 if all_turn_red(chosen, places) else 1


def all_turn_red(guards: list[Guard], places: dict[str, Marker]) -> bool:
    """Take out each of some guards, print each outcome, and return whether all their tests turn red."""
    began, missed = time.monotonic(), 0
    workers = max(1, min(len(guards), len(os.sched_getaffinity(0))))
    with tempfile.TemporaryDirectory(prefix="frostline-mutated-") as folder, ThreadPoolExecutor(workers) as pool:
        copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for i in range(workers):
            copies.put(copy_of_project(Path(folder) / str(i)))

        def tested(guard: Guard) -> tuple[bool, str]:
            copy = copies.get()
            try:
                return turns_red(guard, places[guard.name], copy)
            finally:
                copies.put(copy)

        for number, (guard, (red, output)) in enumerate(zip(guards, pool.map(tested, guards), strict=True), 1):
            print(f"{number}/{len(guards)} {'red' if red else 'NOT RED'}: {guard.name} ({guard.fault})", flush=True)
            if not red:
                missed += 1
                print(output, flush=True)
    print(f"{len(guards) - missed} of {len(guards)} guards are tested; {time.monotonic() - began:.0f} s")
    return missed == 0


def copy_of_project(folder: Path) -> Path:
    """Copy what the tests need into a new folder, and return that folder."""
    folder.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def turns_red(guard: Guard, place: Marker, copy: Path) -> tuple[bool, str]:
    """Take a guard out of a copy of the project, run its test, and put the guard back.

    Returns:
        Whether the test failed, and the end of pytest's output.
    """
    file = copy / place.file
    original = file.read_text(encoding="utf-8")
    try:
        rewrite(file, ast.unparse(mutant(original, place.line, guard.mutation)) + "\n")
        tested = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", guard.test],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        rewrite(file, original)
    # 1: a test failed. Any other code (no such test, an import error, a kill) proves nothing.
    return tested.returncode == 1 and "failed" in tested.stdout, tested.stdout[-1500:] + tested.stderr[-500:]


def rewrite(file: Path, text: str) -> None:
    """Write a module, and remove its bytecode, which Python would take for that of a file written in the same second."""
    file.write_text(text, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def page() -> str:
    """Return the page that lists all guards."""
    blocks = [HEAD]
    for title, guards in THEMES.items():
        rows = [f"| {guard.fault} | {guard.protection} | `{guard.name}` | `{guard.test}` |" for guard in guards]
        head = [f"## {title}", "", "| fault | protection | guard | test |", "|---|---|---|---|"]
        blocks.append("\n".join([*head, *rows]) + "\n")
    return "\n".join(blocks)


if __name__ == "__main__":
    raise SystemExit(main())
