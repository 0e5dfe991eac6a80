"""Optimizers of a specification: their shortest form, and values that Keras would refuse later."""

import pytest

from handler.errors import SpecError
from handler.spec.optimizer import check_optimizer


@pytest.mark.parametrize("value", ["Adam", {"name": "adam"}, {"name": "ADAM"}])
def test_an_optimizer_without_arguments_becomes_its_name(value):
    assert check_optimizer(value) == "adam"


def test_null_stands_for_kerass_default():
    given = {"name": "sgd", "clipnorm": None, "global_clipnorm": 1.0, "gradient_accumulation_steps": None}
    assert check_optimizer(given) == given


def test_the_arguments_of_a_users_optimizer_are_not_checked():
    given = {"name": "mine:Slow", "clipnorm": -1, "ema_momentum": 7}
    assert check_optimizer(given) == given


@pytest.mark.parametrize(
    ("argument", "value"),
    [("clipnorm", 0), ("gradient_accumulation_steps", 1), ("ema_overwrite_frequency", 0), ("ema_momentum", 1.5), ("use_ema", 1)],
)
def test_a_value_out_of_range_is_refused_by_its_field(argument, value):
    with pytest.raises(SpecError, match=r"must be .*, not ") as refused:
        check_optimizer({"name": "adam", argument: value})
    assert refused.value.path == argument
