"""The answers of the commands, as JSON."""

import json
import math

import pytest
from pydantic import ValidationError

from flows.answers import FailureAnswer, TrainAnswer, effective_status
from tests.handler.store.writes import record


@pytest.mark.parametrize(
    ("status", "alive", "shown"),
    [("running", True, "running"), ("running", False, "killed"), ("interrupted", False, "interrupted"), ("completed", True, "completed")],
)
def test_a_running_run_without_a_process_was_killed(status, alive, shown):
    assert effective_status(record(1, status=status), alive) == shown


def test_the_files_of_an_answer_are_below_the_store_as_it_was_given():
    answer = TrainAnswer.of(record(1, report="report.html", state="k1"), "here/store")
    assert (answer.report, answer.model) == ("here/store/runs/mine/report.html", None)
    assert (answer.store, answer.state, answer.epochs) == ("here/store", "k1", 1)


def test_values_that_are_not_finite_are_null_in_json():
    answer = TrainAnswer.of(record(1, history={"loss": [0.5, math.nan, math.inf]}), "s")
    written = answer.model_dump_json()
    assert json.loads(written)["history"] == {"loss": [0.5, None, None]}
    again = TrainAnswer.model_validate_json(written).history["loss"]
    assert (again[0], [math.isnan(value) for value in again[1:]]) == (0.5, [True, True])


def test_an_undeclared_field_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        FailureAnswer(status="failed", error="no", code=3)
