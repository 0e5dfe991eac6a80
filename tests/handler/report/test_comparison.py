"""The report of a sweep: its runs in a table and in common charts."""

import html
import math
import re

import pytest

from handler.report.comparison import write_comparison
from handler.spec.sweep import Variant
from tests.handler.report.report_samples import Page, made_record

LAST = {"first": (0.5, 0.7), "second": (0.2, 0.9), "third": (math.nan, 0.8)}  # loss, accuracy


@pytest.fixture
def page(tmp_path):
    """Return the page of a sweep with three complete runs and one that failed."""
    names = [*LAST, "failed"]
    variants = [Variant(name=name, file="a.yaml", values={"seed": i}) for i, name in enumerate(names)]
    records = [
        made_record(total=4, cuts=[2], run=name).model_copy(update={"history": {"loss": [0.9, loss], "accuracy": [0.1, accuracy]}})
        for name, (loss, accuracy) in LAST.items()
    ]
    return write_comparison("all", variants, records, tmp_path, {"failed": "the disk is full"}).read_text()


def test_the_best_last_value_of_each_metric_is_marked(page):
    assert re.findall(r'<td class="n"><b>([^<]*)</b>', page) == ["0.2", "0.9"]


def test_each_complete_run_has_a_curve_in_every_chart(page):
    for metric in ("loss", "accuracy"):
        assert f"{metric} of 3 runs over 2 epochs" in page
    curves = [attrs for tag, attrs in Page(page).elements if tag == "polyline"]
    assert len(curves) == 6
    assert len({attrs["stroke"] for attrs in curves}) == 3


def test_a_run_that_failed_is_listed_with_its_reason(page):
    assert "the disk is full" in html.unescape(page)
