"""A training of a sweep that fails, dies or gives an invalid answer counts as failed; the other answers remain."""

import json
import re

import pytest
import typer

from flows.answers import FailureAnswer, SweepAnswer, TrainAnswer
from flows.cli.output import Output
from flows.cli.sweep import show
from flows.sweep import build_answer, compare
from handler.spec.sweep import Variant
from handler.store.store import Store
from tests.handler.store.writes import record

NONE = {"report": None, "model": None, "validation": {"loss": float("nan")}, "weights": "w"}


class Future:
    """A stand-in for Prefect's future of a task, with a given result or exception."""

    def __init__(self, end):
        self.end = end

    def result(self):
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


def diverged():
    history = {"loss": [0.5, float("nan"), float("inf")]}
    answer = TrainAnswer(
        run="nan", status="completed", store="s", state="k", epochs=3, history=history, segments=[], **NONE
    )
    return json.loads(answer.model_dump_json())


def test_a_completed_training_with_a_nan_loss_is_an_answer():
    assert diverged()["history"] == {"loss": [0.5, None, None]}
    answer = build_answer(Variant(name="nan", file="a.yaml"), Future(diverged()))
    assert isinstance(answer, TrainAnswer)
    assert str(answer.history["loss"]) == "[0.5, nan, nan]"


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (OSError(28, "No space left"), r"its process returned no valid answer \(OSError: .*No space left\)"),
        (ValueError("two\nlines"), r"\(ValueError: two\)"),
        ({"status": "completed"}, r"\(ValidationError: "),
        ([], r"\(AttributeError: "),
        (None, r"\(AttributeError: "),
        ({"run": "a", "status": "refused", "error": "no such file", "resume": None}, "^no such file$"),
    ],
)
def test_a_training_that_ends_without_an_answer_counts_as_failed(end, why):
    answer = build_answer(Variant(name="a", file="a.yaml"), Future(end))
    assert isinstance(answer, FailureAnswer)
    assert answer.run == "a"
    assert re.search(why, answer.error)


@pytest.fixture
def compared(tmp_path):
    """Return the answer of a sweep with one complete training and two that failed."""
    store = Store(tmp_path)
    trainings = [Variant(name=name, file="a.yaml") for name in ("mine", "nan", "dead")]
    store.runs.write(record(1).model_copy(update={"status": "completed", "history": {"loss": [float("nan")]}}))
    answers = [
        TrainAnswer.of(store.runs.read("mine"), "s"),
        FailureAnswer(run="nan", status="failed", error="the loss [/x] became NaN"),
        FailureAnswer(run="dead", status="refused", error="no such <file>"),
    ]
    return compare(trainings, answers, "all", str(tmp_path))


@pytest.mark.usefixtures("compared")
def test_the_page_gives_the_reason_of_each_failure(tmp_path):
    page = (tmp_path / "sweeps/all/report.html").read_text()
    assert "failed: the loss [/x] became NaN" in page
    assert "refused: no such &lt;file&gt;" in page


def test_the_table_gives_the_reason_of_each_failure(compared, capsys):
    with pytest.raises(typer.Exit), Output(False, ["sweep"]) as output:
        show(output, SweepAnswer.model_validate_json(compared.model_dump_json()))
    shown = " ".join(capsys.readouterr().out.split())
    assert "the loss [/x] became NaN" in shown
    assert "no such <file>" in shown
