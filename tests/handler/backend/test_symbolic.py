"""The graphs of functional models."""

import keras
import pytest

from handler.backend.symbolic import functional, nodes, output_structure
from tests.handler.arch.networks import Subclassed

L = keras.layers


def test_only_built_models_have_a_functional_model():
    built = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    assert functional(built).inputs[0].shape == (None, 2)
    assert functional(keras.Sequential([L.Dense(1)])) is None
    assert functional(Subclassed()) is None


@pytest.fixture
def residual():
    inputs = keras.Input((2,), name="given")
    inner = L.Dense(2, name="inner")(inputs)
    return keras.Model(inputs, {"sum": L.Add(name="add")([inputs, inner])})


def test_nodes_come_after_the_nodes_whose_outputs_they_take(residual):
    assert [node.operation.name for node in nodes(functional(residual))] == ["given", "inner", "add"]


def test_outputs_keep_their_structure(residual):
    assert list(output_structure(residual)) == ["sum"]
