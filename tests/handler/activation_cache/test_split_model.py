"""The function up to the cut of a network, and its refusal of functions that are not pure."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from handler.activation_cache.cost import NotUsed
from handler.activation_cache.graph import find_boundary
from handler.activation_cache.model_graph import FlatModel
from handler.activation_cache.split_model import SuffixStep, prefix_function

X = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")


def model_of(low):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    return keras.Model(inputs, L.Dense(2, name="head")(L.Dense(4, name="mid")(low(inputs))))


def split(model):
    flat = FlatModel(model)
    return flat, find_boundary(flat.graph, {"low", "mid"})


def test_the_two_parts_compute_the_same_as_the_network():
    model = model_of(L.Dense(4, activation="tanh", name="low"))
    flat, at = split(model)
    (crossing,) = prefix_function(model, flat, at, [tf.constant(X)])(tf.constant(X))
    np.testing.assert_allclose(crossing, model.get_layer("mid")(model.get_layer("low")(X)), rtol=1e-5)
    np.testing.assert_allclose(SuffixStep(model, flat, at)(crossing, training=True), model(X, training=True), rtol=1e-5)


def test_a_function_with_random_numbers_inside_a_layer_is_refused():
    class Hidden(L.Layer):
        def call(self, x):
            return x + tf.random.uniform(())

    model = model_of(Hidden(name="low"))
    with pytest.raises(NotUsed, match="it is not a pure function of its input"):
        prefix_function(model, *split(model), [tf.constant(X)])


def test_inputs_that_do_not_match_the_network_are_refused():
    model = model_of(L.Dense(4, name="low"))
    with pytest.raises(NotUsed, match="do not match the network's inputs"):
        prefix_function(model, *split(model), [tf.constant(X)] * 2)
