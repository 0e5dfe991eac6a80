"""A segment trained on the activations of its frozen prefix matches the whole network bit for bit, with its history."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from handler import DLTrainingHandler
from handler.activation_cache.cache import PrefixOptions
from handler.arch.keras_model import KerasArchitecture
from handler.training.model_handler import DLModelHandler
from tests.handler.activation_cache.trainings import BATCH, ROWS, Seen, X, Y, model_of, residual, train
from tests.handler.conftest import same

TOKENS = np.random.default_rng(3).integers(1, 20, (ROWS, 6))


def nested(inputs):
    def block(name, width):
        given = keras.Input((8, 8, width))
        x = L.BatchNormalization(name=f"{name}_b")(L.Conv2D(6, 3, padding="same", name=f"{name}_a")(given))
        return keras.Model(given, L.ReLU()(x), name=name)

    given = keras.Input((8, 8, 3))
    inner = keras.Sequential([block("low", 3), block("mid", 6), L.MaxPooling2D()], name="inner")
    backbone = keras.Model(given, inner(given), name="backbone")
    return L.GlobalMaxPooling2D()(L.Dropout(0.2)(backbone(inputs)))


def shared(inputs):
    both = L.Conv2D(3, 3, padding="same", name="low_twice", activation="tanh")
    x = both(inputs)
    y = L.Conv2D(3, 3, padding="same", name="top")(x)
    return L.Flatten()(L.concatenate([both(y), x]))


def operations(inputs):
    x = keras.ops.relu(L.SeparableConv2D(6, 3, name="low")(inputs) * 2.0 + 1.0)
    x = keras.ops.mean(x, axis=(1, 2))
    return keras.ops.concatenate([x, L.Dense(4, name="top", kernel_regularizer="l2")(x)], axis=-1)


def attentive(inputs):
    x = L.LayerNormalization(name="low_n")(L.Reshape((64, 3))(inputs))
    x = L.MultiHeadAttention(2, 4, name="low_m")(x, x)
    return L.LSTM(4, recurrent_dropout=0.2, name="top")(L.GroupNormalization(3, name="low_g")(x))


def words(inputs):
    return L.GRU(5, name="low_r")(L.Embedding(20, 6, name="low_e")(inputs))


NETWORKS = {
    "a cut skip connection": (residual, ["low*", "mid"], (X,), {}),
    "before a skip connection": (residual, ["low*"], (X,), {}),
    "nested models": (nested, ["backbone/inner/low", "backbone/inner/mid"], (X,), {}),
    "a part of nested models": (nested, ["backbone/inner/low"], (X,), {}),
    "a shared layer": (shared, ["low*"], (X,), {}),
    "operations, and a regularizer after them": (operations, ["low*"], (X,), {}),
    "attention, and recurrent dropout after it": (attentive, ["low*"], (X,), {"rows": 40}),
    "words": (words, ["low*"], (TOKENS,), {}),
    "bfloat16": (residual, ["low*", "mid"], (X,), {"policy": "mixed_bfloat16"}),
    "float16": (residual, ["low*", "mid"], (X,), {"policy": "mixed_float16"}),
    "class weights": (residual, ["low*"], (X,), {"class_weight": {0: 2.0, 1: 0.5}}),
}


@pytest.mark.parametrize("kept", [True, False], ids=["in a store", "in memory"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.service) if n.startswith("attention") else n for n in NETWORKS])
def test_a_cached_prefix_trains_bit_identically(name, kept, values, tmp_path):
    body, layers, data, more = NETWORKS[name]
    whole, history, _ = train(body, layers, data, "off", **more)
    split, same_history, seen = train(body, layers, data, store=tmp_path if kept else None, **more)
    assert seen.shares[0] is None
    assert 0 < seen.shares[1] < 1, seen.notes
    assert same(values(split), values(whole))
    assert same_history == history
    start = values(model_of(body, data[0], more.get("policy", "float32")))
    moved = [not np.array_equal(a, b) for a, b in zip(start, values(whole), strict=False)]
    assert sum(moved) > 5, "it isn't equal by itself"
    assert len(list((tmp_path / "prefixes").glob("*.zarr"))) == kept


def body_with(layer):
    """Return a network whose prefix ends at a layer that is not trainable."""

    def body(inputs):
        x = layer()(L.Conv2D(4, 3, name="low", activation="relu")(inputs))
        return L.Flatten()(L.Conv2D(4, 3, name="mid")(x))

    return body


@pytest.mark.parametrize(
    ("layer", "share"),
    [
        (lambda: L.Dropout(0.2), "less"),
        (lambda: L.SpatialDropout2D(0.2), "less"),
        (lambda: L.GaussianNoise(0.2), "less"),
        (lambda: L.RandomFlip("horizontal"), "less"),
        (lambda: L.ActivityRegularization(0.1), "less"),
        (lambda: L.Lambda(lambda x: x * 2), "less"),
        (lambda: L.SpectralNormalization(L.Conv2D(4, 3, padding="same"), name="sn"), "less"),
        (lambda: L.Dropout(0.0), "more"),
        (lambda: L.Activation("gelu"), "more"),
        (lambda: L.BatchNormalization(trainable=False), "more"),
    ],
)
def test_only_pure_layers_are_part_of_the_prefix(layer, share, values):
    kept = ["low", "mid", "sn"] if "Spectral" in type(layer()).__name__ else ["low", "mid"]
    whole, history, _ = train(body_with(layer), kept, mode="off")
    split, same_history, seen = train(body_with(layer), kept)
    assert same(values(split), values(whole))
    assert same_history == history
    (cached,) = seen.shares[1:]
    assert cached > 0.1, "it is used as far as it goes"
    assert (cached > 0.9) == (share == "more")


def test_a_batch_normalisation_that_is_not_frozen_ends_the_prefix(values):
    body = body_with(lambda: L.BatchNormalization(name="norm", center=False, scale=False))
    whole, _, _ = train(body, ["low", "mid"], mode="off")
    body = body_with(lambda: L.BatchNormalization(name="norm", center=False, scale=False))
    split, _, seen = train(body, ["low", "mid"])
    assert seen.shares[1] < 0.9
    assert same(values(split), values(whole))


def test_a_lambda_counts_as_pure_only_with_the_lambdas_option():
    body = body_with(lambda: L.Lambda(lambda x: x * 2))
    _, _, seen = train(body, ["low", "mid"], options=PrefixOptions("on", lambdas=True))
    assert seen.shares[1] > 0.9


@keras.saving.register_keras_serializable("tests")
class Centred(L.Layer):
    """A layer that subtracts the mean over the batch."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


def one():
    return np.float32(1)


@keras.saving.register_keras_serializable("tests")
class Restless(L.Layer):
    """A layer that calls Python in each step."""

    def call(self, x):
        return x + tf.random.stateless_uniform((), seed=[1, 2]) * 0 + tf.reshape(tf.numpy_function(one, [], "float32"), ())


@pytest.mark.parametrize(
    ("layer", "rows", "why"),
    [
        (lambda: Centred(), ROWS, "the activations are batch-dependent"),
        (lambda: Restless(), ROWS, r"it is not a pure function of its input \(PyFunc\)"),
        (lambda: L.ReLU(), 41, "the last batch of an epoch has one example, and its activations are not bit-identical"),
    ],
)
def test_the_reason_why_an_unsafe_prefix_is_not_cached_is_noted(layer, rows, why, values):
    _, _, seen = train(body_with(layer), ["low", "mid"], rows=rows)
    assert seen.shares == [None, None]
    (note,) = seen.notes
    assert re.fullmatch(f"the frozen prefix is computed in each epoch: {why}", note)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"in_place": True}, "X is rearranged in place"),
        ({"augment": lambda parts, rng: parts}, "the examples are augmented in each epoch"),
    ],
)
def test_activations_of_changing_examples_are_not_cached(more, why):
    seen = Seen()
    body, layers = residual, ["low*"]
    x = X.copy()
    mh = DLModelHandler(KerasArchitecture(model_of(body)), training_epochs=2, batch_size=BATCH, **more)
    mh.compile()
    entries = {"training_interval": [0, 2], "layers": [layers]}
    DLTrainingHandler(entries, observers=[seen], prefixes=PrefixOptions("on"))(mh, x, Y.copy())
    assert seen.notes == [f"the frozen prefix is computed in each epoch: {why}"]


def test_a_custom_model_class_is_not_cut():
    class Own(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    model = model_of(residual)
    own = Own(model.inputs, model.outputs)
    own.compile("adam", "sparse_categorical_crossentropy")
    mh = DLModelHandler(KerasArchitecture(own), training_epochs=2, batch_size=BATCH)
    mh.compile()
    seen = Seen()
    entries = {"training_interval": [0, 2], "layers": [["low*"]]}
    DLTrainingHandler(entries, observers=[seen], prefixes=PrefixOptions("on"))(mh, X, Y)
    assert "only functional and Sequential models" in seen.notes[0]
