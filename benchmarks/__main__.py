"""Runs each benchmark in a separate process and writes the results.

    python -m benchmarks [boundary state_formats ...]

Writes `benchmarks/results.json`, the tables of `docs/benchmarks.md` and the marked blocks of the README and of
`docs/reliability.md`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.harness import machine

ROOT = Path(__file__).parent.parent
QUESTIONS = (
    "boundary", "masks", "schedule", "prefix", "steps", "overhead", "growth",
    "state_formats", "snapshot", "backup", "out_of_core", "resumption", "sweep",
)  # fmt: skip
# `make bench` installs the packages there that only `state_formats` needs.
PEERS = ROOT / "build" / "peers" / "bin" / "python"
RESULTS = ROOT / "benchmarks" / "results.json"


def ask(name: str) -> dict[str, Any]:
    """Run one benchmark and return its answer."""
    print(f"{name} ...", flush=True)
    where, when = machine(), datetime.now(UTC).isoformat(timespec="minutes")
    python = str(PEERS) if name == "state_formats" and PEERS.exists() else sys.executable
    done = subprocess.run(
        [python, "-m", f"benchmarks.{name}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"machine": where, "when": when}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "question",
        nargs="*",
        help=f"one of {', '.join(QUESTIONS)}; all if none is given; the others keep their stored results",
    )
    asked = parser.parse_args().question or QUESTIONS
    if unknown := sorted(set(asked) - set(QUESTIONS)):
        parser.error(f"there is no benchmark {unknown[0]!r}; choose from {', '.join(QUESTIONS)}")
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in asked:
        results[name] = ask(name)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    tables.write(results, ROOT)
    print(tables.text(results))


if __name__ == "__main__":
    main()
