"""EMA weights (`use_ema`) with frozen layers: each variable has its own average, and frozen variables stay
bit-identical.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from handler.backend.optimizers import optimized_variables
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.state.keras_state import to_array
from tests.handler.exactness.segmented_training import examples

X, Y = examples()
MOMENTUM = np.float32(0.75)


def network(optimizer, *, wrap=False):
    """Return a network with layers of one shape, so that a misplaced average would fit."""
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    inputs = x = keras.Input((4,))
    for name in ("low", "middle", "high"):
        x = layers.Dense(4, activation="tanh", name=name)(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
    model.compile(
        keras.optimizers.LossScaleOptimizer(optimizer) if wrap else optimizer, "sparse_categorical_crossentropy"
    )
    return model


def sgd(rate=0.5, **arguments):
    return keras.optimizers.SGD(rate, use_ema=True, ema_momentum=float(MOMENTUM), **arguments)


class Record:
    """An observer that records the weights and the EMA weights after each step."""

    def __init__(self, trainer):
        self.model = trainer.model
        self.optimizer = getattr(self.model.optimizer, "inner_optimizer", None) or self.model.optimizer
        self.weights, self.averages = [self.now()], []
        trainer.observers = [self]

    def now(self):
        return {v.path: to_array(v) for v in optimized_variables(self.optimizer)}

    def on_step(self, *_):
        paths = [v.path for v in optimized_variables(self.optimizer)]
        averages = [to_array(v) for v in self.optimizer._model_variables_moving_average]
        self.averages.append(dict(zip(paths, averages, strict=True)))
        self.weights.append(self.now())

    def on_epoch_begin(self, *_):
        pass

    def on_epoch(self, *_):
        pass


def trained(optimizer, masks, **arguments):
    """Train an epoch of four steps under each mask; return the trainer and the record."""
    trainer = Trainer(network(optimizer, **arguments), DLSequencer(X, Y, 16), epochs=len(masks))
    record = Record(trainer)
    for epoch, frozen in enumerate(masks):
        trainer.masks.apply(frozen)
        trainer.run(epoch, epoch + 1)
    return trainer, record


MASKS = [(), ("middle",), ("low", "high"), ()]


@pytest.mark.parametrize("wrap", [False, True], ids=["alone", "behind a LossScaleOptimizer"])
def test_ema_weights_follow_the_formula_under_any_mask(wrap):
    trainer, record = trained(sgd(), MASKS, wrap=wrap)
    expected = dict(record.weights[1])
    for step, averages in enumerate(record.averages):
        if step:
            now = record.weights[step + 1]
            expected = {p: MOMENTUM * expected[p] + (1 - MOMENTUM) * now[p] for p in now}
        for path, average in averages.items():
            np.testing.assert_allclose(average, expected[path], rtol=1e-5, atol=1e-6, err_msg=f"{path}, step {step}")
    assert max(np.abs(record.averages[-1][p] - record.weights[-1][p]).max() for p in expected) > 1e-3
    # Training does not touch the variables by their EMA weights until the end; then each variable gets its own.
    trainer.end()
    for path, value in record.now().items():
        assert value.tobytes() == record.averages[-1][path].tobytes()


def test_ema_weights_do_not_change_the_training():
    trainer, record = trained(sgd(), MASKS)
    reference = Trainer(network(keras.optimizers.SGD(0.5)), DLSequencer(X, Y, 16), epochs=4)
    for epoch, frozen in enumerate(MASKS):
        reference.masks.apply(frozen)
        reference.run(epoch, epoch + 1)
    ours, theirs = record.weights[-1], {v.path: to_array(v) for v in reference.model.trainable_variables}
    assert trainer.history.history == reference.history.history
    assert ours.keys() == theirs.keys()
    assert all(ours[path].tobytes() == theirs[path].tobytes() for path in theirs)


@pytest.mark.parametrize("wrap", [False, True], ids=["alone", "behind a LossScaleOptimizer"])
def test_ema_does_not_overwrite_frozen_weights(wrap):
    _, record = trained(sgd(ema_overwrite_frequency=3), MASKS, wrap=wrap)
    overwritten = 0
    for step in range(1, 17):
        frozen = MASKS[(step - 1) // 4]
        before, after, average = record.weights[step - 1], record.weights[step], record.averages[step - 1]
        for path, value in after.items():
            if path.split("/")[0] in frozen:
                assert value.tobytes() == before[path].tobytes(), f"{path} is frozen in step {step}"
            elif step % 3 == 0:
                assert value.tobytes() == average[path].tobytes(), f"{path} is overwritten in step {step}"
                overwritten += 1
    assert overwritten > 20


@pytest.mark.parametrize("frequency", [None, 2])
def test_ema_at_a_zero_learning_rate_changes_no_weights(frequency):
    trainer, record = trained(sgd(0.0, ema_overwrite_frequency=frequency), MASKS)
    trainer.end()
    for path, value in record.now().items():
        np.testing.assert_allclose(value, record.weights[0][path], rtol=1e-6)


def test_weights_frozen_throughout_stay_bit_identical():
    # With this momentum, 0.4 * v + 0.6 * v often differs from v, by rounding.
    optimizer = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.4, ema_overwrite_frequency=3)
    trainer, record = trained(optimizer, [("middle",), ("middle", "low"), ("middle",)])
    trainer.end()
    for path, value in record.now().items():
        assert (value.tobytes() == record.weights[0][path].tobytes()) == path.startswith("middle/"), path


def test_keras_misplaces_ema_weights_when_layers_are_frozen():
    model = network(sgd(0.0))
    model.optimizer.build(model.trainable_variables)
    before = {v.path: to_array(v) for v in model.trainable_variables}
    model.get_layer("low").trainable = model.get_layer("head").trainable = False
    model.fit(X, Y, verbose=0)
    assert np.abs(model.get_layer("middle").kernel.numpy() - before["middle/kernel"]).max() > 0.1


def test_a_state_holds_both_the_trained_and_the_ema_weights():
    trainer, record = trained(sgd(), MASKS[:2])
    arrays = trainer.capture(2).arrays
    for path in record.weights[-1]:
        weights = next(a for name, a in arrays.items() if name.startswith("model/") and name.endswith(path))
        slot = path.replace("/", "_") + "_average"
        average = next(a for name, a in arrays.items() if name.startswith("optimizer/") and name.endswith(slot))
        assert weights.tobytes() == record.weights[-1][path].tobytes()
        assert average.tobytes() == record.averages[-1][path].tobytes()
