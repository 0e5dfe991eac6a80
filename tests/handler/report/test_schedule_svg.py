"""The image of the schedule: a row for each layer, and marks at the segments' starts."""

import re

import pytest

from tests.handler.report.report_samples import Page, made_record, written


def test_every_image_marks_the_starts_of_the_segments(record, folder):
    text = written(record, folder)
    starts = [str(s.start) for s in record.plan if s.start]
    for each in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)[1:]:
        assert re.findall(r'data-epoch="(\d+)"', each) == starts


def test_each_layer_has_a_row_that_shows_its_frozen_epochs(record, folder):
    page = Page(written(record, folder))
    assert len(page.having("row")) == len(record.layers)
    frozen_epochs = sum((s.end - s.start) * len(set(s.frozen) - {"enc1_dense"}) for s in record.plan)
    widths = [float(attrs["width"]) for attrs in page.having("frozen") if "width" in attrs]
    by_user = [float(attrs["width"]) for attrs in page.having("held") if "width" in attrs]
    assert len(by_user) == 1
    assert sum(widths) == pytest.approx(by_user[0] * frozen_epochs / record.training_epochs, rel=1e-3)


def test_untrained_epochs_are_veiled(folder):
    page = Page(written(made_record(done=11), folder))
    assert len(page.having("veil")) == 1
    assert page.texts.count("pending") == 3
    assert not Page(written(made_record(), folder)).having("veil")
