"""Keras's optimizers: their learning rate, their steps, and the variables over which they are built."""

import keras
import numpy as np
import pytest

from handler.backend.optimizers import inner_optimizers, is_multi_optimizer, read_learning_rate, steps_taken, unwrapped
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import SpecError


def test_an_optimizer_built_without_some_weights_is_refused(network, blobs):
    model = network()
    model.get_layer("first").trainable = False
    model.optimizer.build(model.trainable_variables)
    model.get_layer("first").trainable = True
    with pytest.raises(SpecError, match=r"built without 'first/kernel'.*compile the model again"):
        Trainer(model, DLSequencer(*blobs, 16), epochs=1)


SCHEDULE = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [
        (keras.optimizers.Adam(0.01), (0.01, False)),
        (keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.3)), (0.3, False)),
        (keras.optimizers.SGD(SCHEDULE), (None, True)),
        (keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(SCHEDULE)), (None, True)),
        (keras.optimizers.MultiOptimizer(keras.optimizers.SGD(0.1)), (None, True)),
    ],
    ids=["plain", "wrapped", "a schedule", "a wrapped schedule", "several"],
)
def test_an_entry_cannot_set_the_rate_of_a_schedule(optimizer, rate):
    assert read_learning_rate(optimizer) == rate


def test_the_optimizer_inside_a_loss_scale_optimizer_is_found():
    sgd = keras.optimizers.SGD(0.1)
    wrapped = keras.optimizers.LossScaleOptimizer(sgd)
    assert (unwrapped(wrapped), unwrapped(sgd)) == (sgd, sgd)
    assert inner_optimizers(wrapped) == [sgd]
    assert not is_multi_optimizer(wrapped)


def test_steps_that_only_accumulate_gradients_count():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)
    variable = keras.Variable([1.0])
    for _ in range(3):
        optimizer.apply([np.ones(1, "float32")], [variable])
    assert steps_taken(optimizer) == 3
    assert variable.numpy() == 1.0
