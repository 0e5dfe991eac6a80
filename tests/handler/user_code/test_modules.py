"""The modules of the user's functions, found and parsed without running them."""

import ast

import pytest

from handler.errors import SpecError
from handler.user_code.importer import resolve_function
from handler.user_code.modules import bindings, check_call, is_reference


def test_other_modules_are_refused_unless_allowed(folder, monkeypatch):
    with pytest.raises(SpecError, match="there is no module 'wave' in"):
        resolve_function("wave:open", folder)
    monkeypatch.setenv("FROSTLINE_ALLOWED_MODULES", "json.tool, wave")
    assert resolve_function("wave:open", folder).__module__ == "wave"
    with pytest.raises(SpecError, match="there is no module 'json' in"):
        resolve_function("json:loads", folder)


def test_the_origin_of_a_name_is_the_object_that_it_stands_for():
    tree = ast.parse(
        "import numpy as np\nfrom .near import a as b\nfrom far import *\nread = np.load\nown, call = 1, eval\n"
        "try:\n    import fast\nexcept ImportError:\n    fast = None\ndef made(): pass\n"
    )
    bound, stars = bindings(tree, ["pack"])
    assert bound == {
        "np": ["numpy"],
        "b": ["pack.near.a"],
        "read": ["numpy.load"],
        "own": [None],
        "call": ["builtins.eval"],
        "fast": ["fast", None],
        "made": [None],
    }
    assert stars == ["far"]


def test_arguments_must_fit_the_functions_signature(folder):
    check_call("things:network", folder, {"width": 3}, "model.args")
    for arguments, said in (({}, "^model.args: things:network needs width"), ({"width": 1, "w": 2}, "^model.args.w: unknown")):
        with pytest.raises(SpecError, match=said):
            check_call("things:network", folder, arguments, "model.args")


@pytest.mark.parametrize("value", ["mine:data", "pack.mine:data", "größe:_x1"])
def test_a_module_with_a_function_is_a_reference(value):
    assert is_reference(value)


@pytest.mark.parametrize(
    "value", ["mine", "mine:", ":data", "mine:data.inner", "1mine:data", "../mine:data", "mine:data\n", "a:b:c", None, 3]
)
def test_any_other_value_is_no_reference(value):
    assert not is_reference(value)
