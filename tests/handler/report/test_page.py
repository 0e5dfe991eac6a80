"""The report of a run: it shows everything of the record, loads nothing and escapes all text."""

import html
import re
from xml.etree import ElementTree

from handler.records import Resumption
from handler.report import write_report
from tests.handler.report.report_samples import Page, key, made_record, written


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


def test_a_page_names_the_counts_of_a_source_and_the_keys_of_the_training(record, folder):
    cloud = {"name": "tile_a.laz", "points": 40602, "labelled": 40127}
    text = html.unescape(written(record.model_copy(update={"dataset": {"sources": [cloud]}}), folder))
    assert "tile_a.laz 40\u202f602 points 40\u202f127 labelled" in text
    assert "<th>batch_size</th>" in text
