"""Cost of a segment in a run of many segments.

    python -m benchmarks.growth

It trains runs of 10, 100 and 1000 segments of one cheap epoch. The measured time is from the end of one segment to the
end of the next, including its state, its task and the run's record.
"""

from __future__ import annotations

import argparse

from benchmarks.harness import alternate, answer, row
from benchmarks.overhead import Bench, served, specification

COUNTS = (10, 100, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description="Does a segment cost more in a run of many segments?")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with served() as (folder, _):
        bench = Bench(folder)
        specs = {count: specification(folder, count) for count in COUNTS}
        bench.trains("Prefect", specs[COUNTS[0]])()
        bench.segments = {}
        ways = ("stages", "Prefect")
        alternate({f"{way} {n}": bench.trains(way, spec) for way in ways for n, spec in specs.items()}, options.rounds)
    lines = []
    for way, said in (("stages", "stage by stage"), ("Prefect", "through Prefect")):
        first = bench.segments[f"{way} {COUNTS[0]}"]
        for count in COUNTS:
            values = bench.segments[f"{way} {count}"]
            peer = {} if count == COUNTS[0] else {"beside": first, "peer": f"one of {COUNTS[0]}"}
            lines.append(row(f"one of {count} segments, {said}", values, **peer))
    answer("Does a segment cost more in a run of many segments?", lines, "seconds a segment, the median within a run")


if __name__ == "__main__":
    main()
