"""Losses, metrics and weights that become NaN or infinite, and metrics that some epochs lack."""

import keras
import numpy as np
import pytest

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import NonFiniteError
from handler.store.store import Store
from tests.handler.conftest import Epochs
from tests.handler.engine.step_observers import Each


class Quiet(keras.callbacks.Callback):
    """A callback that sets weights to NaN after the last step of the second epoch, so that no loss shows it."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 5):
            kernel = self.model.get_layer("head").kernel
            kernel.assign(np.full(kernel.shape, np.nan))


def trainer_of(network, blobs, observers=(), callbacks=(), optimizer=None, **options):
    return Trainer(
        network(optimizer), DLSequencer(*blobs, 16, seed=2), callbacks, epochs=4, observers=observers, **options
    )


class PoisonAt(keras.callbacks.Callback):
    """A callback that sets a bias of the head to infinity as an epoch begins, so that its first loss is not finite."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            self.model.get_layer("head").bias.assign([np.inf, 0.0, 0.0])


@pytest.mark.parametrize("each", [False, True], ids=["many steps in a graph call", "step by step"])
def test_a_non_finite_loss_ends_the_training_at_its_step(network, blobs, each):
    # The first gradient is finite, but the weights after it overflow in the next step.
    trainer = trainer_of(network, blobs, [Each()] if each else [], optimizer=keras.optimizers.SGD(1e20))
    with pytest.raises(NonFiniteError, match=r"^loss is (nan|inf) after step 2 of 6 in epoch 0 \(the first is 0\); "):
        trainer.run(0, 4)
    assert trainer.history.history == {}


def test_a_non_finite_loss_leaves_the_states_before_it(network, blobs, tmp_path, values):
    def handler_of():
        return DLModelHandler(KerasArchitecture(network()), training_epochs=4, batch_size=16, seed=2)

    entries = [{"training_interval": [0, 3], "layers": ["first"]}]
    with pytest.raises(NonFiniteError, match="loss is nan after step 1 of 6 in epoch 2") as caught:
        DLTrainingHandler(entries, store=tmp_path)(handler_of(), *blobs, [PoisonAt()])
    assert (caught.value.epoch, caught.value.step, caught.value.exit_code) == (2, 1, 1)
    states = Store(tmp_path).states
    assert sorted(states.manifest(key)["epoch"] for key in states.stored_keys()) == [0, 1, 2]
    with pytest.raises(NonFiniteError, match="in epoch 2"):
        DLTrainingHandler(entries, store=tmp_path)(handler_of(), *blobs, [PoisonAt()])


def test_non_finite_weights_are_not_saved(network, blobs):
    trainer = trainer_of(network, blobs, callbacks=[Quiet()])
    with pytest.raises(NonFiniteError, match="the weights head/kernel are not finite after step 6 of 6 in epoch 1"):
        trainer.run(0, 4)
    assert len(trainer.history.history["loss"]) == 1


def test_a_non_finite_metric_ends_the_training(network, blobs):
    def undefined(y, p):
        return keras.ops.sum(p) / 0.0

    model = network()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=[undefined])
    trainer = Trainer(model, DLSequencer(*blobs, 16, seed=2), epochs=4)
    with pytest.raises(NonFiniteError, match="undefined is inf after step 6 of 6 in epoch 0"):
        trainer.run_epoch(0)


def test_continue_accepts_non_finite_values_with_one_note(network, blobs):
    watch = Epochs()
    trainer = trainer_of(network, blobs, [watch], [PoisonAt()], non_finite="continue")
    trainer.run(0, 4)
    assert [np.isfinite(v) for v in trainer.history.history["loss"]] == [True, True, False, False]
    assert watch.notes == ["loss is nan in epoch 2 (the first is 0); the training continues (training.non_finite: continue)"]


def test_stop_refuses_states_trained_with_continue(network, blobs, tmp_path):
    def go(non_finite):
        mh = DLModelHandler(KerasArchitecture(network()), training_epochs=4, batch_size=16, seed=2)
        return DLTrainingHandler(store=tmp_path, non_finite=non_finite)(mh, *blobs, [PoisonAt()])

    go("continue")
    with pytest.raises(NonFiniteError, match=r"loss is nan in epoch 2 .* set non_finite: continue to use them"):
        go("stop")
    assert len(go("continue").history["loss"]) == 4, "the choice enters no key"
