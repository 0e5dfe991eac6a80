"""The report of a run: it shows everything of the record, loads nothing and escapes all text."""

import html
import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from handler.records import Resumption
from handler.report import write_report
from tests.handler.report.report_samples import key, made_record

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """A parser that collects elements and text and fails on tags that are not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())

    def having(self, class_):
        return [attrs for _, attrs in self.elements if class_ in (attrs.get("class") or "").split()]


def written(record, folder):
    return write_report(record, folder).read_text(encoding="utf-8")


def test_the_report_is_one_complete_html_file(record, folder):
    path = write_report(record, folder)
    assert path == folder / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert {"html", "head", "body", "main", "svg"} <= {tag for tag, _ in page.elements}
    assert sorted(p.name for p in folder.iterdir()) == ["report.html", "spec.yaml"]


def test_every_image_is_well_formed_xml(record, folder):
    pictures = re.findall(r"<svg.*?</svg>", written(record, folder), flags=re.DOTALL)
    assert len(pictures) == 1 + 1 + 2  # the logo, the schedule, loss and accuracy
    for each in pictures:
        ElementTree.fromstring(each)


def test_the_page_loads_nothing_from_outside(record, folder):
    text = written(record, folder)
    page = Page(text)
    assert not [attrs for tag, attrs in page.elements if tag in ("script", "iframe", "img", "object")]
    links = [attrs[name] for _, attrs in page.elements for name in ("src", "href", "action", "data") if attrs.get(name)]
    assert links == ["data:,"]
    assert not re.search(r"https?://|url\(|@import", text)


def test_every_segment_is_in_the_table_with_its_source(record, folder):
    page = Page(written(record, folder))
    rows = [
        attrs["id"] for tag, attrs in page.elements if tag == "tr" and (attrs.get("id") or "").startswith("segment-")
    ]
    assert rows == [f"segment-{s.index}" for s in record.plan]
    chips = [attrs["class"] for attrs in page.having("chip")]
    assert chips == [f"chip {s.source}" for s in record.segments]


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
    held = [float(attrs["width"]) for attrs in page.having("held") if "width" in attrs]
    assert len(held) == 1
    assert sum(widths) == pytest.approx(held[0] * frozen_epochs / record.training_epochs, rel=1e-3)


def test_the_page_shows_the_values_of_the_record(record, folder):
    text = html.unescape(written(record, folder))
    for what in (
        record.key,
        record.state,
        record.weights,
        "2.21.0",
        "0.9147",
        "151\u202f000",
        "conv_autoencoder",
        "tile_a.laz",
        record.notes[0],
        "2 min 21 s",
        "7 of 24 epochs",
    ):
        assert what in text


def test_notes_and_resumptions_precede_the_images(record, folder):
    record.resumptions = [Resumption(epoch=3, step=4, after="running"), Resumption(epoch=5, after="failed")]
    text = html.unescape(written(record, folder))
    places = [
        text.index(what)
        for what in (
            "resumed 2 times",
            "Resumed from epoch 3, step 4 after it was killed.",
            "Resumed from epoch 5 after it failed.",
            record.notes[0],
            "Layers by epochs",
        )
    ]
    assert places == sorted(places)
    record.resumptions, record.notes = [], []
    assert not re.search("<h2>Notes</h2>|resumed (once|[0-9])", written(record, folder))


def test_hostile_names_are_shown_as_text(folder):
    record = made_record()
    bad = "\"><script>alert(1)</script>&'</svg>"
    record.run, record.notes, record.error = bad, [bad], bad
    record.layers[1]["path"] = bad
    record.plan[1].frozen.append(bad)
    record.history[bad] = [1.0] * 24
    record.environment[bad] = bad
    record.dataset[bad] = [bad]
    record.validation = {"classes": {bad: {bad: 0.5}}, "confusion_matrix": [[1]], bad: 3.0}
    (folder / "spec.yaml").write_text("name: '</pre><script>alert(2)</script>'\ndata: [not, a, mapping]\n")
    text = written(record, folder)
    assert "script" not in {tag for tag, _ in Page(text).elements}
    assert "<script" not in text
    assert text.count("alert(1)") > 8


def test_untrained_epochs_are_veiled(folder):
    page = Page(written(made_record(done=11), folder))
    assert len(page.having("veil")) == 1
    assert page.texts.count("pending") == 3
    assert not Page(written(made_record(), folder)).having("veil")


def test_a_run_that_stopped_early_is_marked(folder):
    record = made_record(done=11)
    record.status, record.stopped = "completed", True
    page = Page(written(record, folder))
    assert "stopped early" in page.texts
    assert "not run" in page.texts
    assert "pending" not in page.texts


def test_a_run_without_epochs_has_a_page(folder):
    record = made_record()
    bare = type(record)(
        run="r",
        key=key("x"),
        seed=1,
        training_epochs=3,
        started="2026-01-01",
        updated="2026-01-01",
        spec_folder=".",
        status="failed",
        error="StoreError: no space left",
    )
    page = Page(written(bare, folder))
    assert "StoreError: no space left" in page.texts
    assert "failed" in page.texts


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


def test_the_command_that_repeats_the_run_is_quoted(folder):
    record = made_record()
    record.run, record.spec_folder = "odd name; rm -rf x", "my specs"
    text = html.unescape(written(record, folder))
    assert "frostline resume 'odd name; rm -rf x' --store" in text
    assert "--folder 'my specs' --name 'odd name; rm -rf x' --store frostline-again" in text
    assert "cp " not in text


def test_a_large_report_stays_below_two_megabytes(folder):
    record = made_record(98, list(range(2, 300, 2)), 300)
    text = written(record, folder)
    assert len(text) < 2_000_000
    assert len(Page(text).having("row")) == 98


def test_the_legend_shows_validation_only_if_there_is_any(folder):
    record = made_record()
    assert Page(written(record, folder)).having("line-validation")
    record.history = {"loss": [1.0, 0.5]}
    assert not Page(written(record, folder)).having("line-validation")
