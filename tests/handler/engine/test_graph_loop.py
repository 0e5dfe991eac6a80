"""Many steps in one graph call give the same weights, history, snapshots and stops as single steps."""

import keras
import numpy as np
import pytest
from keras import layers

from handler.engine import graph_loop
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import Interrupted
from handler.stop_flag import StopFlag
from tests.handler.conftest import same
from tests.handler.engine.step_observers import Each, Some
from tests.handler.engine.step_trainings import EPOCHS, trained


def convolutional(seed=3):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((12, 12, 2))
    x = layers.Conv2D(8, 3, padding="same", name="low", activation="relu")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    y = layers.SpatialDropout2D(0.3)(layers.SeparableConv2D(8, 3, padding="same", name="deep")(x))
    x = layers.GlobalAveragePooling2D()(layers.add([x, y]))
    model = keras.Model(inputs, layers.Dense(3, name="head")(layers.GaussianNoise(0.1)(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(0.01, clipnorm=1.0), loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
    return model


def images(count=75):
    x = np.random.default_rng(1).normal(size=(count, 12, 12, 2))
    return x, (x.mean(axis=(1, 2, 3)) > 0).astype("int64") + (x[:, 0, 0, 0] > 1)


WEIGHTED = [pytest.param(options, marks=pytest.mark.service) for options in ({"class_weight": {0: 2.0, 1: 0.5}}, {"ignore_label": 2})]


@pytest.mark.parametrize("options", [{}, *WEIGHTED], ids=str)
def test_many_steps_in_a_graph_call_train_bit_identically(options, values, calls):
    data = images()
    one_by_one = trained(convolutional(), data, [Each()], **options)
    start = values(convolutional())
    assert calls == [(0, 1), (1, 2), (2, 3)] * EPOCHS, "those of the validation, a mask each"
    del calls[:]
    many = trained(convolutional(), data, **options)
    assert sum(end - first for first, end in calls) == EPOCHS * (5 + 3)
    assert same(values(many.model), values(one_by_one.model))
    assert many.history.history == one_by_one.history.history
    assert not any(np.array_equal(a, b) for a, b in zip(start[:4], values(many.model)[:4], strict=True))


@pytest.mark.parametrize(
    ("make", "wants"),
    [
        (lambda path: keras.callbacks.EarlyStopping("loss"), False),
        (lambda path: keras.callbacks.CSVLogger(path / "log.csv"), False),
        (lambda path: keras.callbacks.ModelCheckpoint(path / "m.keras", save_best_only=False), False),
        (lambda path: keras.callbacks.ModelCheckpoint(path / "m.keras", save_freq=100), True),
        (lambda path: keras.callbacks.TerminateOnNaN(), True),
        (lambda path: keras.callbacks.TensorBoard(path), True),
        (lambda path: keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), False),
        (lambda path: keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None), True),
    ],
)
def test_only_a_batch_callback_disables_graph_calls(make, wants, network, blobs, tmp_path, calls):
    trainer = Trainer(network(), DLSequencer(*blobs, 16), [make(tmp_path)], epochs=1)
    trainer.run_epoch(0)
    trainer.end()
    assert bool(calls) is not wants


def test_a_graph_call_ends_where_a_snapshot_is_due(network, blobs, values, calls):
    states, some = {}, Some()
    trainer = Trainer(network(), DLSequencer(*blobs, 8, seed=5), epochs=2, observers=[some])
    for epoch in range(2):
        trainer.run_epoch(epoch, lambda epoch=epoch: states.update({(epoch, trainer.step): trainer.capture(epoch)}), 5)
    assert {step for _, step in states} == {1, 2, 5, 10, 12}
    assert [step for step in some.steps if step[0] == 1] == [(1, 5), (1, 10), (1, 12)]
    resumed = Trainer(network(seed=4), DLSequencer(*blobs, 8, seed=5), epochs=2, observers=[Each()])
    resumed.restore(states[1, 5])
    resumed.run_epoch(1)
    assert same(values(resumed.model), values(trainer.model))
    assert resumed.history.history == trainer.history.history


def test_a_stop_request_takes_effect_between_graph_calls(network, blobs):
    stop = StopFlag()

    class Asks(Some):
        def on_step(self, epoch, step, steps, logs):
            super().on_step(epoch, step, steps, logs)
            stop.request("a test")

    trainer = Trainer(network(), DLSequencer(*blobs, 8), epochs=1, observers=[Asks()], stop=stop)
    with pytest.raises(Interrupted, match="stopped by a test"):
        trainer.run_epoch(0)
    assert trainer.step == 1
    assert trainer.capture(0).step == 1


class Own(DLSequencer):
    """A sequencer with its own batches."""

    def __getitem__(self, index):
        return super().__getitem__(index)


@pytest.mark.parametrize(
    "made",
    [
        lambda x, y: Own(x, y, 16),
        lambda x, y: DLSequencer(x.copy(), y.copy(), 16, in_place=True),
        lambda x, y: DLSequencer(x, y, 16, augment=lambda parts, rng: parts),
        lambda x, y: DLSequencer(x, y, 16, inputs=lambda parts, structure: [part * 2 for part in parts]),
        lambda x, y: type("Batches", (), {"__len__": lambda s: 6, "__getitem__": lambda s, i: (x[:16], y[:16])})(),
    ],
    ids=["of one's own", "in place", "augmented", "put together", "any other"],
)
def test_a_sequencer_that_transforms_batches_disables_graph_calls(made, network, blobs, calls):
    trainer = Trainer(network(), made(*blobs), epochs=1)
    trainer.run_epoch(0)
    assert not calls
    assert trainer.history.history["loss"]


def test_examples_above_the_memory_limit_are_not_copied(network, blobs, calls, monkeypatch):
    monkeypatch.setattr(graph_loop, "copy_limit", lambda: 512)
    Trainer(network(), DLSequencer(*blobs, 16), epochs=1).run_epoch(0)
    assert not calls
