"""The layers and variables inside a layer or model."""

import keras
import pytest

from handler.backend.layers import (
    OwnWeight,
    all_layers,
    drop_losses,
    has_losses,
    has_seed_generators,
    inner_layers,
    own_trainable_variables,
    own_variables,
)

L = keras.layers


@pytest.fixture
def nested():
    """Return a network that contains a model with a normalisation."""
    inner_in, inputs = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inner_in, L.BatchNormalization(name="norm")(inner_in), name="inner")
    return keras.Model(inputs, L.Dense(2, name="head")(inner(inputs)), name="outer")


def test_only_all_layers_includes_nested_layers(nested):
    assert {"outer", "inner", "norm", "head"} <= {layer.name for layer in all_layers(nested)}
    assert "norm" not in {layer.name for layer in inner_layers(nested)}
    assert {"inner", "head"} <= {layer.name for layer in inner_layers(nested)}


def test_own_variables_exclude_those_of_inner_layers(nested):
    assert own_variables(nested) == []
    norm = nested.get_layer("inner").get_layer("norm")
    assert [variable.name for variable in own_variables(norm)] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [variable.name for variable in own_trainable_variables(norm)] == ["gamma", "beta"]


def test_a_weight_is_frozen_like_a_layer():
    weight = OwnWeight(keras.Variable([1.0], name="scale"))
    assert weight.trainable_weights == weight.weights
    weight.trainable = False
    assert (weight.trainable_weights, weight.variable.trainable) == ([], False)
    assert all_layers(weight) == [weight]


def test_only_random_layers_have_seed_generators():
    assert has_seed_generators(L.Dropout(0.5))
    assert not has_seed_generators(L.Dense(1))


def test_losses_of_the_last_call_are_dropped():
    model = keras.Sequential([keras.Input((2,)), L.ActivityRegularization(l2=0.1)])
    model(keras.ops.ones((1, 2)))
    assert has_losses(model.layers[0])
    drop_losses(model)
    assert not has_losses(model.layers[0])
