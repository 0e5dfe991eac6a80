"""The texts of a run's record, and the forms in which older versions wrote it."""

import math

import pytest
from pydantic import ValidationError

from handler.records import Divergence, EnvironmentChange, InitialWeights, Resumption, RunRecord, moment_text, rate_text

LEAST = {"run": "mine", "key": "k", "seed": 1, "training_epochs": 2, "started": "", "updated": "", "spec_folder": "/"}


@pytest.mark.parametrize(
    ("rate", "text"), [(0.001, "0.001"), (5e-5, "5e-5"), (1e10, "1e10"), (0.1 + 0.2, "0.3"), (1, "1"), (None, "not set")]
)
def test_a_rate_is_shown_without_the_zeros_of_its_exponent(rate, text):
    assert rate_text(rate) == text


def test_a_position_names_its_step_within_an_epoch_only():
    assert (moment_text(3, 0), moment_text(3, 20)) == ("epoch 3", "epoch 3, step 20")


@pytest.mark.parametrize(
    ("after", "ended"), [("running", "was killed"), ("interrupted", "was interrupted"), ("failed", "failed")]
)
def test_a_resumption_tells_how_the_run_ended(after, ended):
    assert Resumption(epoch=1, step=5, after=after).text == f"resumed from epoch 1, step 5 after it {ended}"


def test_a_change_of_the_environment_names_both_values():
    text = EnvironmentChange(epoch=2, field="environment.keras", stored="3.14", found="3.15").text
    assert text.startswith("environment.keras changed from '3.14' to '3.15' at epoch 2; the change was allowed")


def test_at_most_six_layers_with_initial_values_are_listed():
    text = InitialWeights(source="run:a", into="low", loaded=["x"], kept=[f"l{i}" for i in range(8)]).text
    assert text == (
        "model.weights: run:a into low gives 1 of 9 layers their values; l0, l1, l2, l3, l4, l5 and 2 more keep their initial values"
    )


def test_a_record_with_values_that_are_not_finite_is_read_back():
    record = RunRecord(**LEAST, history={"loss": [0.5, math.nan, math.inf]}, divergence=Divergence(key="k", epoch=1, step=2, text="t"))
    again = RunRecord.model_validate_json(record.model_dump_json())
    assert repr(again.history) == repr(record.history)
    assert again.divergence == record.divergence


def test_an_unknown_field_of_a_record_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        RunRecord(**LEAST, colour="red")


@pytest.mark.parametrize(
    ("spec", "differs"),
    [
        ({}, False),
        ({"training": {"callbacks": ["EarlyStopping"]}}, False),
        ({"training": {"callbacks": [{"name": "EarlyStopping", "restore_best_weights": True}]}}, True),
        ({"training": {"callbacks": ["mine:Best"]}}, True),
        ({"model": {"compile": {"optimizer": {"name": "adam", "use_ema": True}}}}, True),
        ({"model": {"compile": {"optimizer": "adam"}}}, False),
    ],
    ids=str,
)
def test_an_older_record_shows_by_its_specification_a_model_that_differs(spec, differs):
    assert RunRecord(**LEAST, spec=spec).model_differs is differs
    assert RunRecord(**LEAST, spec=spec, final_is_state=differs).model_differs is not differs
