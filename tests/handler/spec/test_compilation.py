"""The part of the compilation that a specification leaves to the network's own function, or to the defaults."""

import pytest

from handler.spec.compilation import DEFAULTS, fill_defaults, may_be_compiled_by_network
from handler.spec.reader import parse_spec

LEAST = {"data": {"source": "synthetic"}, "model": {"architecture": "pointnet"}, "training": {"epochs": 2}}


def spec_of(architecture, **compiled):
    return parse_spec(LEAST | {"model": {"architecture": architecture, "compile": compiled}})


@pytest.mark.parametrize(
    ("architecture", "compiled", "expected"),
    [
        ("mine:network", {}, True),
        ("mine:network", {"optimizer": "adam", "loss": "mse"}, True),
        ("mine:network", {"optimizer": "adam", "loss": "mse", "metrics": []}, False),
        ("pointnet", {}, False),
    ],
)
def test_only_a_function_of_the_user_may_compile_the_network(architecture, compiled, expected):
    assert may_be_compiled_by_network(spec_of(architecture, **compiled)) is expected


def test_defaults_replace_omitted_fields_only():
    assert fill_defaults({"optimizer": "sgd", "loss": None, "metrics": None, "class_weight": None}) == {
        **DEFAULTS,
        "optimizer": "sgd",
        "class_weight": None,
    }
