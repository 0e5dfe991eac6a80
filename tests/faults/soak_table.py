"""The tables at the end of `make soak`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import machine

if TYPE_CHECKING:
    from tests.faults.soak import Tally

# The places of the kills, by the innermost call.
PLACES = {
    "start-up": "start-up: imports, the specification, the server",
    "plan": "the plan",
    "begin": "the run's first record; sweeping",
    "between": "between two stages (Prefect's part)",
    "pre-fit": "pre-fit: data, structure, their files",
    "backup": "the backup of X and y",
    "loading": "a state being read",
    "segment": "a segment, before or after its epochs",
    "tracing": "a train step being traced",
    "epoch": "an epoch, between two steps",
    "step": "inside a step",
    "steps": "inside a graph call of many steps",
    "validation": "the validation",
    "state": "a state being written, in front",
    "dropping": "snapshots being dropped",
    "restore": "the restore of X and y",
    "writing back": "the restore of X and y",
    "post-fit": "post-fit: the final model",
    "report": "the report",
    "finish": "the run's last record",
}
BEHIND = "while a snapshot was being written behind (any of the above)"


def text(tallies: list[Tally], seed: int, seconds: float) -> str:
    """Return the table of kills and outcomes, as Markdown."""
    total = sum(t.kills for t in tallies)
    lines = [
        "| training | kills | trainings | runs | mismatches | lost runs | lost files | steps | trained again | most after one kill (bound) | time |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for t in tallies:
        lines.append(
            f"| {t.model}, {t.schedule} | {t.kills} | {t.trainings} | {t.runs} | {t.mismatches} | {t.lost_runs} | {t.lost_files} "
            f"| {t.steps} | {sum(t.again)} | {max(t.again, default=0)} ({t.bound}) | {t.seconds:.0f} s |"
        )
    lines.append(
        f"| **all** | **{total}** | {sum(t.trainings for t in tallies)} | {sum(t.runs for t in tallies)} "
        f"| **{sum(t.mismatches for t in tallies)}** | **{sum(t.lost_runs for t in tallies)}** "
        f"| **{sum(t.lost_files for t in tallies)}** | | {sum(sum(t.again) for t in tallies)} | | {seconds:.0f} s |"
    )
    timed = sum(t.timed for t in tallies)
    environment = machine()
    lines += [
        "",
        f"{timed} of the kills at a random time, {total - timed} at a random point; seed {seed}; {environment['cores']} cores, "
        f"tensorflow {environment['tensorflow']}, keras {environment['keras']}, load before {environment['load before']}.",
        "",
        "| where they fell | kills |",
        "|---|---|",
    ]
    return "\n".join([*lines, *(f"| {said} | {count} |" for said, count in fell(tallies))])


def fell(tallies: list[Tally]) -> list[tuple[str, int]]:
    """Return the number of kills per place, in the order of a training."""
    counts: Counter[str] = Counter()
    for tally in tallies:
        for place, count in tally.places.items():
            innermost, _, behind = place.partition(", snapshot behind")[0].partition(":")[0], *place.partition(", ")[1:]
            counts[PLACES[innermost]] += count
            counts[BEHIND] += count if behind else 0
    order = [*dict.fromkeys(PLACES.values()), BEHIND]
    return [(said, counts[said]) for said in order if counts[said]]


def write(tables: str, page: Path) -> None:
    """Puts the tables into the page, between their marks."""
    block = re.compile(r"(<!-- soak -->\n).*?(<!-- end of soak -->)", flags=re.DOTALL)
    before = page.read_text(encoding="utf-8")
    page.write_text(block.sub(lambda m: f"{m[1]}\n{tables}\n\n{m[2]}", before), encoding="utf-8")
