"""A Keras model as a graph: its parts, their costs and the reasons why their outputs cannot be stored."""

import keras
import numpy as np
import pytest
from keras import layers as L

from handler.activation_cache.model_graph import FlatModel, flops, uncacheable_reason
from handler.backend.symbolic import functional, nodes
from tests.handler.arch.networks import Subclassed


@pytest.fixture
def nested():
    """Return a network with a nested model, a skip connection and a random layer."""
    keras.utils.set_random_seed(1)
    inner_in, inputs = keras.Input((4,)), keras.Input((6,))
    inner = keras.Model(inner_in, L.Dense(4, activation="relu", name="deep")(inner_in), name="block")
    x = L.Dense(4, name="first")(inputs)
    x = L.Dropout(0.3, name="drop")(L.Add(name="add")([x, inner(x)]))
    return keras.Model(inputs, L.Dense(2, name="head")(x))


def test_nested_models_are_decomposed_into_their_parts(nested):
    graph = FlatModel(nested).graph
    assert [part.name for part in graph.parts] == ["first", "block/deep", "add", "drop", "head"]
    assert [part.trains for part in graph.parts] == [True, True, False, False, True]
    assert [part.obstacle for part in graph.parts] == ["", "", "", "draws random numbers", ""]
    assert [graph.sizes[part.outputs[0]] for part in graph.parts] == [16, 16, 16, 16, 8]


def test_the_parts_compute_the_same_as_the_model(nested):
    nested.get_layer("drop").rate = 0.0
    flat, x = FlatModel(nested), np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    (output,) = flat.run(range(len(flat.calls)), {flat.graph.inputs[0]: keras.ops.convert_to_tensor(x)}, flat.graph.outputs)
    np.testing.assert_array_equal(output, nested(x, training=True))


def test_a_layer_that_the_user_froze_does_not_train(nested):
    nested.get_layer("first").trainable = False
    assert not FlatModel(nested).graph.parts[0].trains
    flags = {id(nested.get_layer("first")): True}  # a mask froze it, not the user
    assert FlatModel(nested, flags=flags).graph.parts[0].trains


def test_a_subclassed_network_has_a_problem():
    assert "only functional and Sequential models" in FlatModel(Subclassed()).graph.problem


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (L.Dense(2), ""),
        (L.GaussianNoise(0.1), "draws random numbers"),
        (L.Dense(2, activity_regularizer="l2"), "adds to the loss"),
        (L.Embedding(5, 2, mask_zero=True), "passes a mask on"),
        (L.Lambda(lambda x: x), "is a Lambda (allow it with prefix_cache.lambdas)"),
        (L.TimeDistributed(L.Dropout(0.1)), "draws random numbers"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_layer_whose_outputs_cannot_be_stored_has_a_reason(layer, reason):
    assert uncacheable_reason(layer) == reason


def test_allowed_lambdas_are_pure_functions():
    assert uncacheable_reason(L.Lambda(lambda x: x), lambdas=True) == ""


def test_a_kernel_costs_two_operations_for_each_position():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, L.Conv2D(5, 3, padding="same")(inputs))
    (_, convolution) = nodes(functional(model))
    assert flops(convolution) == 2 * 8 * 8 * 5 + 2 * 8 * 8 * (3 * 3 * 3 * 5)
