"""Frozen variables that a step would change although the optimizer does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from handler.errors import ScheduleError
from handler.freezing.frozen_layers import check_frozen_unchanged, hold_frozen_layers


def test_a_traced_step_that_writes_a_frozen_weight_is_refused():
    counted, other = keras.Variable(0.0, name="counted"), keras.Variable(1.0)

    @tf.function
    def step():
        counted.assign_add(other)

    check_frozen_unchanged(step, {"reader": [other]})
    with pytest.raises(ScheduleError, match="the layer 'counter' cannot be frozen: its weight 'counted' is updated"):
        check_frozen_unchanged(step, {"reader": [other], "counter": [counted]})


@pytest.mark.parametrize("trainable", [True, False], ids=["trainable", "frozen"])
def test_a_frozen_spectral_normalisation_keeps_its_kernel(trainable):
    keras.utils.set_random_seed(1)
    layer = keras.layers.SpectralNormalization(keras.layers.Dense(3))
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", "mse")
    layer.trainable = trainable
    before = layer.layer.kernel.numpy()
    x = np.ones((2, 4), "float32")
    hold_frozen_layers(model, lambda data: model(data, training=True))(x)
    assert np.array_equal(layer.layer.kernel.numpy(), before) is not trainable
    model(x, training=True)
    assert not np.array_equal(layer.layer.kernel.numpy(), before), "only the step is held"
