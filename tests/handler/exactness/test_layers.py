"""Layers with random draws or with state besides their weights: resumed bit-identically, and bit-identical while
frozen.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from handler.errors import ScheduleError
from tests.handler.exactness.custom_steps import Doubled, Reporting
from tests.handler.exactness.segmented_training import SegmentedTraining, examples

SEQUENCE = (4, 3)


@keras.saving.register_keras_serializable("exactness")
class UnseededNoise(layers.Layer):
    """A layer that draws from Keras's global generator."""

    def call(self, x, training=False):
        return x + 0.1 * keras.random.normal(keras.ops.shape(x)) if training else x


def sequences(layer):
    """Return a function that builds a sequence network around a layer."""

    def build():
        inputs = keras.Input(SEQUENCE)
        x = layers.Dense(4, name="first")(inputs)
        return inputs, layers.Flatten(name="flat")(layer(x))

    return build


def attention():
    inputs = keras.Input(SEQUENCE)
    x = layers.Dense(4, name="first")(inputs)
    x = layers.MultiHeadAttention(2, 2, dropout=0.3, name="middle")(x, x)
    return inputs, layers.Flatten(name="flat")(x)


def nested():
    inner_in = keras.Input((4,))
    x = layers.Dropout(0.2, name="drop")(layers.Dense(4, name="deep")(inner_in))
    inner = keras.Model(inner_in, layers.BatchNormalization(name="norm")(x), name="middle")
    inputs = keras.Input(SEQUENCE)
    x = layers.Dense(4, name="first")(layers.Flatten(name="flat")(inputs))
    return inputs, inner(inner(x))


RECURRENT = {"dropout": 0.2, "recurrent_dropout": 0.2, "return_sequences": True, "name": "middle"}
NETWORKS = {
    "lstm": sequences(lambda x: layers.LSTM(3, **RECURRENT)(x)),
    "gru": sequences(lambda x: layers.GRU(3, **RECURRENT)(x)),
    "bidirectional": sequences(
        lambda x: layers.Bidirectional(layers.LSTM(2, **{**RECURRENT, "name": "inner"}), name="middle")(x)
    ),
    "attention": attention,
    "noise": sequences(
        lambda x: layers.Dense(4, name="middle")(layers.GaussianDropout(0.2)(layers.GaussianNoise(0.2)(x)))
    ),
    "global generator": sequences(lambda x: layers.Dense(4, name="middle")(UnseededNoise()(x))),
    "batch normalisation": sequences(lambda x: layers.BatchNormalization(name="middle")(x)),
    "spectral normalisation": sequences(
        lambda x: layers.SpectralNormalization(layers.Dense(4, name="inner"), name="middle")(x)
    ),
    "nested": nested,
}
SLOW = ("lstm", "gru", "bidirectional", "attention")


def compiled(build, *, kind=keras.Model, **compile_args):
    def make(seed):
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        inputs, x = build()
        model = kind(inputs, layers.Dense(3, activation="softmax", name="head")(x))
        model.compile(
            keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"], **compile_args
        )
        return model

    return make


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.service] if name in SLOW else []) for name in NETWORKS]
)
def test_every_layer_type_resumes_bit_identically_under_a_mask(name):
    cut = SegmentedTraining(compiled(NETWORKS[name]), {"training_interval": [1, 3], "layers": ["middle"]}, examples(SEQUENCE))
    frozen = [v.path for v in _layer(cut.whole.model, "middle").weights if "seed" not in v.path]
    assert cut.moved((0, 0), (1, 0), frozen[0])
    assert not any(cut.moved((1, 0), (3, 0), path) for path in frozen)
    assert cut.moved((1, 0), (3, 0), "first/")
    assert cut.moved((3, 0), (4, 0), frozen[0])
    assert cut.resumed_from_each()


def _layer(model, name):
    return model.get_layer(name)


def test_dropout_stays_active_in_a_frozen_layer():
    cut = SegmentedTraining(
        compiled(NETWORKS["nested"]),
        {"training_interval": [1, 3], "layers": ["middle"]},
        examples(SEQUENCE),
    )
    seeds = [v.path for v in cut.whole.model.variables if "seed" in v.path]
    assert seeds
    assert all(cut.moved((1, 0), (3, 0), path) for path in seeds)


def test_keras_changes_a_frozen_kernel_in_spectral_normalisation():
    model = compiled(NETWORKS["spectral normalisation"])(1)
    wrapped = model.get_layer("middle")
    wrapped.trainable = False
    before = wrapped.kernel.numpy()
    model.fit(*examples(SEQUENCE), epochs=1, verbose=0)
    assert np.abs(wrapped.kernel.numpy() - before).max() > 0.1


@keras.saving.register_keras_serializable("exactness")
class Shrinking(layers.Dense):
    """A layer that changes its own kernel in each forward pass."""

    def call(self, x, training=False):
        if training:
            self.kernel.assign(0.9 * self.kernel)
        return super().call(x)


class Following(keras.Model):
    """A model with a custom step that changes a layer without the optimizer."""

    def train_step(self, data):
        logs = super().train_step(data)
        middle, first = self.get_layer("middle"), self.get_layer("first")
        middle.kernel.assign(0.9 * middle.kernel + 0.1 * first.kernel)
        return logs


def shrinking():
    inputs = keras.Input((4,))
    return inputs, Shrinking(4, name="middle")(layers.Dense(4, name="first")(inputs))


def plain():
    inputs = keras.Input((4,))
    return inputs, layers.Dense(4, name="middle")(layers.Dense(4, name="first")(inputs))


@pytest.mark.parametrize(("build", "kind"), [(shrinking, keras.Model), (plain, Following)], ids=["layer", "step"])
def test_code_that_changes_frozen_weights_is_refused(build, kind):
    moved = "the layer 'middle' cannot be frozen: its weight 'middle/kernel' is updated in each step, but not by the optim"
    with pytest.raises(ScheduleError, match=moved):
        SegmentedTraining(compiled(build, kind=kind), {"training_interval": [1, 3], "layers": ["middle"]})
    assert SegmentedTraining(compiled(build, kind=kind), {"training_interval": [1, 3], "layers": ["first"]}).resumed_from_each()


def test_a_custom_training_step_resumes_bit_identically():
    build = NETWORKS["batch normalisation"]
    entries = {"training_interval": [1, 3], "layers": ["first"]}
    cut = SegmentedTraining(compiled(build, kind=Doubled), entries, examples(SEQUENCE))
    assert not cut.moved((1, 0), (3, 0), "first/")
    assert cut.resumed_from_each()
    usual = SegmentedTraining(compiled(build), entries, examples(SEQUENCE))
    assert cut.differing(cut.end, usual.end), "its own step was taken"


@pytest.mark.service
def test_logs_of_custom_steps_are_in_a_resumed_history():
    build = NETWORKS["batch normalisation"]
    entries = {"training_interval": [1, 3], "layers": ["first"]}
    cut = SegmentedTraining(compiled(build, kind=Reporting), entries, examples(SEQUENCE), within=4, validate=True)
    assert set(cut.end.history) == {"doubled", "val_halved"}
    assert (1, 4) in cut.resumed_from_each(), "after an epoch's last step too, before its validation"


@pytest.mark.service
def test_building_a_network_leaves_the_global_generator_of_a_training():
    network, data = compiled(NETWORKS["global generator"]), examples(SEQUENCE)
    alone = SegmentedTraining(network, {"training_interval": [1, 3], "layers": ["middle"]}, data)

    class Disturbed(SegmentedTraining):
        def on_step(self, *args):
            super().on_step(*args)
            compiled(NETWORKS["noise"])(5)  # as a plan or a prediction in the same process does

    beside = Disturbed(network, {"training_interval": [1, 3], "layers": ["middle"]}, data)
    assert not beside.differing(beside.end, alone.end)
    assert beside.resumed_from_each()


@pytest.mark.service
@pytest.mark.usefixtures("xla")
def test_a_training_compiled_by_xla_resumes_bit_identically():
    entries = {"training_interval": [1, 3], "layers": ["first"]}
    cut = SegmentedTraining(compiled(NETWORKS["nested"], jit_compile=True), entries, examples(SEQUENCE))
    assert cut.whole.model.jit_compile is True
    assert not cut.moved((1, 0), (3, 0), "first/")
    assert cut.resumed_from_each()


@pytest.mark.service
def test_an_eager_training_resumes_bit_identically():
    entries = {"training_interval": [1, 3], "layers": ["middle"]}
    cut = SegmentedTraining(compiled(NETWORKS["spectral normalisation"], run_eagerly=True), entries, examples(SEQUENCE))
    assert not cut.moved((1, 0), (3, 0), "middle/")
    assert cut.resumed_from_each()


@pytest.mark.parametrize("steps", [2, 3])
def test_steps_per_execution_does_not_change_the_training(steps):
    entries = {"training_interval": [1, 3], "layers": ["first"]}
    build = NETWORKS["batch normalisation"]
    one = SegmentedTraining(compiled(build), entries, examples(SEQUENCE))
    several = SegmentedTraining(compiled(build, steps_per_execution=steps), entries, examples(SEQUENCE))
    assert several.whole.model.steps_per_execution == steps
    assert not one.differing(several.end, one.end)
    assert several.resumed_from_each()


def test_a_resumed_validation_loss_includes_the_regularizer():
    def build():
        inputs = keras.Input((4,))
        return inputs, layers.Dense(4, kernel_regularizer="l2", name="first")(inputs)

    cut = SegmentedTraining(compiled(build), {"training_interval": [1, 3], "layers": ["first"]}, validate=True)
    losses = cut.end.history["val_loss"]
    assert len(losses) == 4
    assert cut.resumed_from_each()
    kernel = cut.whole.model.get_layer("first").kernel.numpy()
    assert 0.01 * np.square(kernel).sum() > 1e-3, "the regularizer counts"


def test_layers_frozen_by_the_user_stay_frozen_throughout():
    def make(seed):
        model = compiled(NETWORKS["nested"])(seed)
        model.get_layer("middle").get_layer("deep").trainable = False
        return model

    cut = SegmentedTraining(make, {"training_interval": [1, 3], "layers": ["middle"]}, examples(SEQUENCE))
    assert not cut.moved((0, 0), (4, 0), "deep/")
    assert cut.moved((0, 0), (1, 0), "norm/gamma")
    assert not cut.moved((1, 0), (3, 0), "norm/")
    assert cut.resumed_from_each()
