"""Plain data: values that a specification may hold, and values that are refused with their path."""

import math

import pytest

from handler.errors import SpecError
from handler.validation.plain_data import check_plain_data


def test_plain_data_are_returned_unchanged():
    value = {"a": [1, 2.5, True, None, "text"], "b": {"c": ()}}
    assert check_plain_data(value) is value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, math.nan]}, "a[1]"),
        ({"a": {"b": math.inf}}, "a.b"),
        ({"a": {1: "x"}}, "a"),
        ({"a": b"bytes"}, "a"),
        ({"a": {"b": {1, 2}}}, "a.b"),
        ({"a": "postgresql://me:secret@host/db"}, "a"),
    ],
    ids=["nan", "infinite", "a key", "bytes", "a set", "a password"],
)
def test_other_values_are_refused_with_their_path(value, path):
    with pytest.raises(SpecError) as caught:
        check_plain_data(value)
    assert caught.value.path == path
    assert "secret" not in str(caught.value)
