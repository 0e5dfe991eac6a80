"""A training from a specification whose loss becomes NaN or infinite, and one whose metrics appear late."""

import json

import pytest

from handler.errors import NonFiniteError
from handler.report.comparison import write_comparison
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.spec.sweep import Variant
from tests.handler.runs import MODULE, SPEC, trains_in

LATE = """

class Late(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch >= 2:
            logs["late"] = float(epoch)

    def get_state(self):
        return {}

    def set_state(self, state):
        pass
"""
STEEP = {"model": {**SPEC["model"], "compile": {"optimizer": {"name": "sgd", "learning_rate": 1e30}}}}


def steep(**training):
    return {**STEEP, "training": {**SPEC["training"], **training}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE + LATE)
    return tmp_path


def run_of(folder, changes):
    spec = parse_spec({**SPEC, **changes})
    return TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name=spec.name))


def begun(folder, changes):
    run = run_of(folder, changes)
    run.begin(run.plan())
    return run


def test_a_diverged_run_fails_again_without_training(folder, monkeypatch):
    run = begun(folder, steep())
    with pytest.raises(NonFiniteError, match=r"loss is (nan|inf) after step 2 of 7 in epoch 0") as caught:
        run.train_segment(0)
    run.mark_failed(caught.value)
    record = run.store.runs.read("mine")
    assert (record.status, record.error, record.epochs) == ("failed", str(caught.value), 0)
    assert (record.divergence.epoch, record.divergence.step) == (0, 2)
    monkeypatch.setattr("handler.run.components.RunComponents", lambda run: pytest.fail("data and network were loaded"))
    again = begun(folder, steep())
    with pytest.raises(NonFiniteError) as same:
        again.pre_fit()
    assert str(same.value) == str(caught.value)


def test_another_rate_or_continue_retries_a_diverged_run(folder):
    run = begun(folder, steep())
    with pytest.raises(NonFiniteError) as caught:
        run.train_segment(0)
    run.mark_failed(caught.value)
    begun(folder, {}).pre_fit()
    begun(folder, steep(non_finite="continue")).pre_fit()


def test_the_record_and_the_report_note_continue(folder):
    _, _, watch = trains_in(folder)(steep(non_finite="continue"))
    said = "the training continues (training.non_finite: continue)"
    assert [note for note in watch.notes if said in note]
    home = folder / "store" / "runs" / "mine"
    assert any(said in note for note in json.loads((home / "run.json").read_text())["notes"])
    page = (home / "report.html").read_text()
    assert said in page
    assert "loss over 6 epochs" in page, "the curve is drawn with its gaps"
    refused = run_of(folder, steep())
    with pytest.raises(NonFiniteError, match="set non_finite: continue to use them"):
        refused.completed_record()
    assert refused.store.runs.read("mine").status == "completed", "a refusal changes nothing"
    stopped = begun(folder, steep())
    assert [stopped.train_segment(i).source for i in range(5)] == ["cached"] * 5
    with pytest.raises(NonFiniteError, match="set non_finite: continue to use them"):
        stopped.post_fit()


def test_a_late_metric_has_gaps_in_every_file(folder):
    late = {"training": {**SPEC["training"], "callbacks": ["mine:Late"]}}
    final, _, _ = trains_in(folder)(late)
    assert repr(final["history"]["late"]) == "[nan, nan, 2.0, 3.0, 4.0, 5.0]"
    home = folder / "store" / "runs" / "mine"
    rows = [line.split(",") for line in (home / "history.csv").read_text().splitlines()]
    assert [row[rows[0].index("late")] for row in rows[1:]] == ["", "", "2.0", "3.0", "4.0", "5.0"]
    assert "late over 6 epochs" in (home / "report.html").read_text()
    run = TrainingRun(RunInputs(spec=parse_spec({**SPEC, **late}), folder=str(folder), store=str(folder / "store"), name="mine"))  # fmt: skip
    record = run.completed_record()
    assert record is not None, "a gap is not a value that became NaN"
    page = write_comparison("all", [Variant(name="mine", file="a.yaml", overrides=(), values={})], [record], folder)
    assert "late of 1 runs over 6 epochs" in page.read_text()


def test_non_finite_is_stop_by_default():
    assert parse_spec({**SPEC, **steep()}).training.non_finite == "stop"


def test_an_unknown_value_of_non_finite_is_refused():
    with pytest.raises(ValueError, match=r"training.non_finite: must be 'stop' or 'continue', not 'maybe'"):
        parse_spec({**SPEC, **steep(non_finite="maybe")})
