"""User-chosen names that look like markup are shown unchanged in tables, lines and pages."""

import html

import pytest

from flows.answers import TrainAnswer
from flows.cli.app import run
from flows.cli.display import display_for
from flows.cli.output import Output
from flows.cli.train import show_answer
from handler.records import RunRecord, SegmentRecord
from handler.report import curves_image, write_report
from handler.schedule.schedule import Segment
from handler.store.store import Store

NAMES = ["acc[/x]", "my[old]/x", "[bold]b[/]", "a:bug:b", "<b>&amp;", "a|b`c", "$x^$", "%s{0}", "\\[a]"]


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")


def record_of(name):
    segment = SegmentRecord(
        index=0, start=0, end=2, state="0" * 32, source="trained", trained_epochs=2, seconds=1, frozen=[name]
    )
    return RunRecord(
        run="r", status="completed", key="0" * 32, state="0" * 32, seed=0, epochs=2, training_epochs=2, started="2026-11-29",
        updated="2026-11-29", spec_folder="", segments=[segment], history={name: [1.0, 0.5], "loss": [1.0, 0.5]},
        notes=[f"note {name}"], error=f"error {name}", seconds={name: 1.0},
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_lines_show_markup_in_names_unchanged(name, tmp_path, capsys, wide):
    store = Store(tmp_path / "store")
    store.runs.write(record_of(name))
    assert run(["show", "r", "--store", str(store.root)]) == (0, False)
    shown = capsys.readouterr().out
    assert shown.count(name) == 5, shown  # frozen, the metric, the stage, the note, the error
    with Output(False, ["train"]) as output:
        show_answer(output, TrainAnswer.of(record_of(name), str(store.root)))
        output.say(f"said {name}")
    out, err = capsys.readouterr()
    assert out.count(name) == 2
    assert f"said {name}" in err


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_the_display_shows_markup_in_names_unchanged(name, terminal, monkeypatch, capfd):
    monkeypatch.setenv("COLUMNS", "200")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    with Output(False, ["train"]) as output:
        display = display_for(output.people)
        assert output.people.is_terminal is terminal
        display.begin(3, 0)
        display.on_segment_begin(Segment(0, 0, 3, (name,), 0.01), 0, 2)
        display.on_step(0, 2, 2, {name: 0.5})
        display.on_epoch(0, {name: 0.25}, 1.0)
        display.on_message(f"note {name}")
        display.close()
    text = capfd.readouterr().err
    assert text.count(name) >= 3, text


@pytest.mark.parametrize("name", NAMES)
def test_the_report_escapes_markup_in_names(name, tmp_path):
    record = record_of(name)
    for shown in (write_report(record, tmp_path).read_text(), curves_image(record)):
        assert html.escape(name) in shown
        assert name == html.escape(name) or name not in shown
