"""Faults of user input: one line each, with the path, the value given and the values accepted."""

from typing import Literal

import numpy as np
import pytest
from pydantic import ValidationError

from handler.errors import ScheduleError
from handler.validation.models import Count, Rate, SpecModel, spec_error


class Inner(SpecModel):
    """A part with a field of its own."""

    patience: Count = 1
    mode: Literal["min", "max"] = "min"


class Outer(SpecModel):
    """A model with a part, a list of parts and a union."""

    epochs: Count = 1
    rate: Rate = 0.1
    parts: list[Inner] = []
    part: Inner = Inner()
    seed: int | bool = 0


def faults(**given):
    with pytest.raises(ValidationError) as caught:
        Outer(**given)
    return str(spec_error(caught.value, "top")).splitlines()


def test_every_fault_has_a_line_with_its_path():
    assert faults(epochs=0, parts=[{}, {"mode": "mean"}]) == [
        "top.epochs: must be at least 1, not 0",
        "top.parts[1].mode: must be 'min' or 'max', not 'mean'",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epoch": 3}, "top.epoch: unknown key; did you mean 'epochs'?"),
        ({"patience": 3}, "top.patience: unknown key; did you mean 'part.patience'?"),
        ({"part": {"patiens": 3}}, "top.part.patiens: unknown key; did you mean 'patience'?"),
    ],
)
def test_an_unknown_key_is_refused_with_a_close_one(given, said):
    assert faults(**given) == [said]


def test_the_messages_of_a_unions_members_are_one_sentence():
    assert faults(seed="many") == ["top.seed: must be a whole number or true or false, not 'many'"]


def test_numbers_of_numpy_are_numbers():
    assert Outer(epochs=np.int64(3), rate=np.float32(0.5)).epochs == 3


@pytest.mark.parametrize(("field", "value"), [("epochs", True), ("epochs", 2.0), ("epochs", "3"), ("rate", True), ("rate", 10**400)])
def test_a_value_of_another_type_is_no_number(field, value):
    assert faults(**{field: value})[0].startswith(f"top.{field}: must be ")


def test_a_fault_in_an_entry_is_an_error_of_the_schedule():
    with pytest.raises(ValidationError) as caught:
        Inner(patience=0)
    assert isinstance(spec_error(caught.value, "freeze_training[0]"), ScheduleError)
