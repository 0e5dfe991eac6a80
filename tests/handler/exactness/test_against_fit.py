"""A training is bit-identical to Keras's own fit in weights, optimizer and history, for every way to compile the
network.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import SpecError
from handler.spec.optimizer import check_optimizer
from handler.state.keras_state import to_array
from tests.handler.exactness.custom_steps import Doubled, Reporting
from tests.handler.exactness.segmented_training import examples

X, Y = examples()


def network(*, policy="float32", kind=keras.Model, optimizer=keras.optimizers.Adam, compiled=None, **arguments):
    """Return a function that makes the same compiled network each time."""

    def make():
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(1)
        keras.config.set_dtype_policy(policy)
        try:
            inputs = keras.Input((4,))
            x = layers.Dense(4, activation="tanh", kernel_regularizer="l2", name="low")(inputs)
            x = layers.Dropout(0.2)(layers.BatchNormalization(name="norm")(x))
            x = layers.Dense(4, activation="tanh", name="middle")(x)
            model = kind(inputs, layers.Dense(3, activation="softmax", name="head", dtype="float32")(x))
        finally:
            keras.config.set_dtype_policy("float32")
        made = optimizer(**{"learning_rate": 0.02, **arguments})
        model.compile(made, "sparse_categorical_crossentropy", metrics=["accuracy"], **(compiled or {}))
        return model

    return make


COMPILED = {
    "bfloat16": network(policy="mixed_bfloat16"),
    "float16": network(policy="mixed_float16"),
    "float16 without a scaled loss": network(policy="mixed_float16", compiled={"auto_scale_loss": False}),
    "loss scale factor": network(loss_scale_factor=64.0),
    "steps per execution": network(compiled={"steps_per_execution": 3}),
    "EMA weights": network(use_ema=True, ema_momentum=0.8),
    "EMA overwrites weights": network(use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3),
    "accumulation": network(gradient_accumulation_steps=3),
    "a step of its own": network(kind=Doubled),
    "a step that tells of other things": network(kind=Reporting),
    "eagerly": network(compiled={"run_eagerly": True}),
    "by xla": network(compiled={"jit_compile": True}),
}
SLOW = ("by xla", "eagerly", "EMA weights", "accumulation", "loss scale factor", "float16 without a scaled loss")


def batches(count=60):
    return DLSequencer(X[:count], Y[:count], 16, shuffle=False)


def compare(model, trainer, history):
    """Assert that a model trained by fit and the trainer's model have the same variables and history."""
    ours, theirs = ([to_array(v) for v in (*m.variables, *m.optimizer.variables)] for m in (trainer.model, model))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(ours, theirs, strict=True))
    assert trainer.history.history == history.history


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.service] if n in SLOW else []) for n in COMPILED])
def test_every_compile_option_trains_like_keras_fit(name, request):
    if name == "by xla":
        request.getfixturevalue("xla")
    model = COMPILED[name]()
    before = [to_array(v) for v in model.trainable_variables]
    history = model.fit(batches(), epochs=3, shuffle=False, verbose=0, validation_data=batches(20))
    trainer = Trainer(COMPILED[name](), batches(), epochs=3, validation=batches(20))
    trainer.run(0, 3)
    trainer.end()
    compare(model, trainer, history)
    assert all(np.abs(a - to_array(v)).max() > 0 for a, v in zip(before, model.trainable_variables, strict=True))


@pytest.mark.parametrize("arguments", [{"global_clipnorm": 0.01}, {"weight_decay": 0.1}], ids=["clipped", "decaying"])
def test_a_mask_trains_like_layers_frozen_by_the_user(arguments):
    model = network(**arguments)()
    for name in ("low", "norm"):
        model.get_layer(name).trainable = False
    history = model.fit(batches(), epochs=3, shuffle=False, verbose=0, validation_data=batches(20))
    trainer = Trainer(network(**arguments)(), batches(), epochs=3, validation=batches(20))
    trainer.masks.apply(["low", "norm"])
    trainer.run(0, 3)
    for ours, theirs in zip(trainer.model.variables, model.variables, strict=True):
        assert to_array(ours).tobytes() == to_array(theirs).tobytes(), ours.path
    assert trainer.history.history == history.history


def test_a_model_of_another_distribution_strategy_is_refused():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(SpecError, match=r"was built under OneDeviceStrategy; build it without, or under tf\.distribute\.MirroredStrategy"):
        Trainer(model, batches(), epochs=1)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "clipvalue"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps"),
        ({"use_ema": True, "ema_momentum": 1.5}, "ema_momentum"),
        ({"use_ema": True, "ema_overwrite_frequency": 2.5}, "ema_overwrite_frequency"),
    ],
)
def test_invalid_optimizer_arguments_are_refused_by_their_field(arguments, field):
    with pytest.raises(ValueError, match=field):
        keras.optimizers.Adam(**arguments)
    with pytest.raises(SpecError) as caught:
        check_optimizer({"name": "adam", **arguments})
    assert caught.value.path == field
