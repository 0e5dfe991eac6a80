"""A network that draws or changes values outside any state is refused if states are saved, and accepted otherwise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import SpecError
from handler.training.training_handler import DLTrainingHandler


class Noise(keras.layers.Layer):
    def call(self, x):
        return x + tf.random.normal(tf.shape(x))


class NoiseInALoop(keras.layers.Layer):
    def call(self, x):
        return tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y + tf.random.uniform([])), [0, x])[1]


class Generator(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.generator = tf.random.Generator.from_seed(1)

    def call(self, x):
        return x + self.generator.normal(tf.shape(x))


class Counter(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.count = tf.Variable(0.0, trainable=False, name="count")

    def call(self, x):
        self.count.assign_add(1.0)
        return x + self.count


class KerasNoise(keras.layers.Layer):
    def call(self, x):
        return x + keras.random.normal((1, 4))


class PythonNoise(keras.layers.Layer):
    """A layer that calls a Python function within the step."""

    def __init__(self, function, way):
        super().__init__()
        self.function, self.way = function, way

    def call(self, x):
        y = self.way(self.function, [tf.stop_gradient(x)], tf.float32)
        return x + tf.stop_gradient(tf.reshape(y, tf.shape(x)))


def global_numpy(x):
    return np.random.rand(*x.shape).astype("float32")


def nothing_drawn(x):
    return np.sqrt(np.abs(np.asarray(x))).astype("float32")


def trainer_of(layer, resumable=True):
    given = keras.Input((6, 5))
    x = keras.layers.LSTM(4, dropout=0.2, recurrent_dropout=0.2)(given)
    x = layer()(x)
    model = keras.Model(given, keras.layers.Dense(3)(keras.layers.Dropout(0.2)(x)))
    model.compile(keras.optimizers.Adam(use_ema=True), "mse", metrics=["mae"])
    rows = DLSequencer(np.ones((8, 6, 5), "float32"), np.zeros((8, 3), "float32"), 4)
    return Trainer(model, rows, epochs=1, resumable=resumable)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Noise, r"noise.*RandomStandardNormal draws from TensorFlow's own random state.*SeedGenerator"),
        (NoiseInALoop, r"noise_in_a_loop.*while.*RandomUniform draws from"),
        (Generator, r"RngReadAndSkip draws from"),
        (Counter, r"tf.Variable 'count:0' is unknown to Keras.*add_weight"),
    ],
)
def test_a_network_with_hidden_state_is_refused_by_name(layer, message):
    with pytest.raises(SpecError, match=message):
        trainer_of(layer).run_epoch(0)


@pytest.mark.parametrize("way", [tf.numpy_function, tf.py_function], ids=["numpy_function", "py_function"])
def test_a_python_function_that_draws_in_a_step_is_refused(way):
    with pytest.raises(SpecError, match=r"calls a Python function that draws from numpy\.random.*SeedGenerator"):
        trainer_of(lambda: PythonNoise(global_numpy, way)).run_epoch(0)
    assert trainer_of(lambda: PythonNoise(nothing_drawn, way)).run_epoch(0)["loss"] >= 0


@pytest.mark.parametrize("layer", [KerasNoise, lambda: keras.layers.GaussianNoise(0.1)])
def test_random_draws_of_keras_are_accepted(layer):
    assert trainer_of(layer).run_epoch(0)["loss"] > 0


def test_a_training_without_states_accepts_hidden_state():
    assert trainer_of(Noise, resumable=False).run_epoch(0)["loss"] > 0


def test_the_handler_refuses_hidden_state_only_with_a_store(tmp_path, blobs):
    from handler import KerasArchitecture
    from handler.training.model_handler import DLModelHandler

    def fit(**options):
        given = keras.Input((6,))
        model = keras.Model(given, keras.layers.Dense(3)(Noise()(given)))
        mh = DLModelHandler(KerasArchitecture(model), training_epochs=1, batch_size=32, loss="mse")
        return DLTrainingHandler(**options)(mh, blobs[0], np.zeros((96, 3), "float32"))

    assert len(fit().history["loss"]) == 1
    with pytest.raises(SpecError, match="TensorFlow's own random state"):
        fit(store=tmp_path / "s")
