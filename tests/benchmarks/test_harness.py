"""The order in which benchmarks are timed, and the rows of their tables."""

import pytest

from benchmarks.harness import alternate, row


def test_variants_run_in_turn_with_alternating_direction():
    seen = []
    times = alternate({name: lambda name=name: seen.append(name) for name in "abc"}, 3)
    assert "".join(seen) == "abccbaabc"
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_variant_may_time_itself():
    assert alternate({"a": lambda: 4.5}, 2) == {"a": [4.5, 4.5]}


def test_the_ratio_is_computed_from_the_medians():
    line = row("ours", [0.02, 0.01, 0.03], beside=[2.0, 1.0, 4.0], peer="theirs")
    assert line["ratio"] == pytest.approx(0.01)
    assert (line["median"], line["least"], line["most"], line["runs"]) == (0.02, 0.01, 0.03, 3)
