"""`execute` around a training loop of the user's own, on a network that isn't compiled."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from handler import DLFreezeTrainingExecutor
from handler.errors import ScheduleError

ENTRIES = [
    {"training_interval": [1, 2], "layers": ["a"], "initial_learning_rate": 0.5},
    {"training_interval": [2, 3], "layers": ["b"]},
]


@pytest.fixture
def network():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="a"), keras.layers.Dense(1, name="b")])


@pytest.fixture
def loop(network):
    """Run a loop with a `GradientTape`, which records the epochs, the rate and the layers that changed."""

    def make(optimizer):
        seen = []

        def fit(initial_epoch, epochs):
            before = [w.numpy() for w in network.weights]
            for _ in range(initial_epoch, epochs):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean((network(np.ones((4, 2), "float32")) - 3.0) ** 2)
                gradients = tape.gradient(loss, network.trainable_variables)
                optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
            moved = {w.path.split("/")[-2] for w, was in zip(network.weights, before, strict=True) if np.any(w.numpy() != was)}
            rate = float(optimizer.learning_rate.numpy())
            seen.append(((initial_epoch, epochs), round(rate, 6), moved))

        return fit, seen

    return make


@pytest.mark.parametrize("make", [keras.optimizers.SGD, keras.optimizers.Adam])
def test_execute_sets_masks_and_rates_on_an_uncompiled_network(make, network, loop):
    optimizer = make(0.1)
    fit, seen = loop(optimizer)
    DLFreezeTrainingExecutor(ENTRIES).execute(network, 4, fit, optimizer=optimizer)
    assert seen == [
        ((0, 1), 0.1, {"a", "b"}),
        ((1, 2), 0.5, {"b"}),
        ((2, 3), 0.5, {"a"}),
        ((3, 4), 0.5, {"a", "b"}),
    ]
    assert all(layer.trainable for layer in network.layers)


def test_execute_without_an_optimizer_sets_only_masks(network, loop):
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(network.trainable_variables)
    fit, seen = loop(optimizer)
    DLFreezeTrainingExecutor(ENTRIES[1]).execute(network, 3, fit)
    assert [moved for _, _, moved in seen] == [{"a", "b"}, {"a"}]


def test_a_rate_without_an_optimizer_is_refused_with_a_remedy(network, loop):
    fit, seen = loop(keras.optimizers.SGD(0.1))
    with pytest.raises(ScheduleError, match=r"freeze_training\[0\].initial_learning_rate: 0.5 can't be set.*execute\(..., optimizer=...\)"):
        DLFreezeTrainingExecutor(ENTRIES).execute(network, 4, fit)
    assert seen == []


def test_a_rate_is_refused_if_the_optimizer_has_a_schedule(network, loop):
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))
    fit, seen = loop(optimizer)
    with pytest.raises(ScheduleError, match="learning-rate schedule"):
        DLFreezeTrainingExecutor(ENTRIES).execute(network, 4, fit, optimizer=optimizer)
    assert seen == []
