from itertools import pairwise

import pytest

from handler.records import rate_text
from handler.report import number_format


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0042, "4.2 ms"),
        (0.42, "0.42 s"),
        (9.96, "10 s"),
        (12.4, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (None, "\u2013"),
        (float("nan"), "\u2013"),
    ],
)
def test_durations_are_written_in_readable_units(seconds, text):
    assert number_format.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(950, "950"), (9999, "9999"), (14_240, "14.2k"), (999_999, "1M"), (3_140_000, "3.14M"), (2e9, "2G")],
)
def test_counts_are_written_with_suffixes(value, text):
    assert number_format.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.001, "0.001"), (5e-5, "5e-5"), (None, "not set"), (0.00064, "0.00064"), (1e12, "1e12")]
)
def test_rates_are_written_without_superfluous_digits(value, text):
    assert rate_text(value) == text


def test_ticks_are_round_numbers_within_the_range():
    assert number_format.ticks(0.13, 0.94, 5) == [0.2, 0.4, 0.6, 0.8]
    assert number_format.ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert number_format.ticks(3, 3) == [3]


@pytest.mark.parametrize("total", [1, 2, 7, 24, 60, 300, 12345])
def test_epoch_ticks_are_at_least_40_pixels_apart(total):
    ticks = number_format.epoch_ticks(total, 800)
    assert ticks[0] == 0
    assert ticks[-1] <= total
    assert all(800 * (b - a) / total >= 40 for a, b in pairwise(ticks))
