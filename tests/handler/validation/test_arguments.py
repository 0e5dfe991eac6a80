"""Checks of arguments: the value as a message names it, and the values that pass."""

import numpy as np
import pytest

from handler.errors import SpecError
from handler.validation.arguments import check_function, check_whole, describe_value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "0.2"), ("adam", "'adam'"), (None, "None"), (dict, "the class dict"), ({}, "an object of class dict"), ("a" * 99, "an object of class str")],
)
def test_a_message_shows_plain_values_as_they_are(value, text):
    assert describe_value(value) == text


@pytest.mark.parametrize("value", [1, np.int64(3)])
def test_whole_numbers_of_any_type_pass(value):
    check_whole(value, "batch_size", "examples")


@pytest.mark.parametrize("value", [0, 1.0, True, "3", None])
def test_a_value_that_counts_nothing_is_refused(value):
    with pytest.raises(SpecError, match=r"^batch_size: must be a whole number of examples, at least 1, not "):
        check_whole(value, "batch_size", "examples")


def test_only_an_optional_function_may_be_missing():
    check_function(None, "augment", optional=True)
    with pytest.raises(SpecError, match=r"^augment: must be a function, not None$"):
        check_function(None, "augment")
