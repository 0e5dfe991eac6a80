"""The form of a reference to the user's code."""

import pytest

from handler.user_code.reference import is_reference


@pytest.mark.parametrize("value", ["mine:data", "pack.mine:data", "größe:_x1"])
def test_a_module_with_a_function_is_a_reference(value):
    assert is_reference(value)


@pytest.mark.parametrize(
    "value", ["mine", "mine:", ":data", "mine:data.inner", "1mine:data", "../mine:data", "mine:data\n", "a:b:c", None, 3]
)
def test_any_other_value_is_no_reference(value):
    assert not is_reference(value)
