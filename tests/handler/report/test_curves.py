"""The curves of a run: gaps and scales."""

import re
from itertools import pairwise

from tests.handler.report.report_samples import Page, made_record, written


def test_non_finite_values_leave_a_gap(folder):
    record = made_record()
    record.history = {"loss": [1.0, float("nan"), 0.5, float("inf"), 0.4, 0.3], "accuracy": [float("nan")] * 6}
    text = written(record, folder)
    assert [float(v) for v in re.findall(r'class="dot training" cx="[\d.]+" cy="([\d.]+)"', text)]
    assert len(re.findall(r'class="dot training"', text)) == 4
    curve = re.search(r'class="curve training" d="([^"]+)"', text)
    assert curve
    assert curve[1].count("M") == 3
    assert "nan" not in curve[1]
    assert "accuracy over" in text
    assert "<b>not finite</b><span>accuracy" in text, "the tile stays"


def test_values_over_many_orders_use_a_logarithmic_scale(folder):
    record = made_record()
    record.history = {"loss": [10.0**-e for e in range(6)]}
    heights = [float(y) for y in re.findall(r'class="dot training" cx="[\d.]+" cy="([\d.]+)"', written(record, folder))]
    steps = [b - a for a, b in pairwise(heights)]
    assert max(steps) - min(steps) < 0.1


def test_the_legend_shows_validation_only_if_there_is_any(folder):
    record = made_record()
    assert Page(written(record, folder)).having("line-validation")
    record.history = {"loss": [1.0, 0.5]}
    assert not Page(written(record, folder)).having("line-validation")
