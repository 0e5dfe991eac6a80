"""The trainer matches Keras's own `fit`, and can stop and resume between any two steps."""

import keras
import numpy as np
import pytest

from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import Interrupted, MismatchError
from handler.observer import Observer
from handler.stop_flag import StopFlag
from tests.handler.conftest import same

CALLBACKS = {
    "none": list,
    "early stopping": lambda: [
        keras.callbacks.EarlyStopping(monitor="loss", patience=1, min_delta=10.0, restore_best_weights=True)
    ],
    "plateau": lambda: [keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=10.0, factor=0.5)],
    "rate per epoch": lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)],
}


class Fixed(keras.utils.PyDataset):
    """A dataset with one order for all epochs, so that `fit` and the trainer use the same batches."""

    def __init__(self, x, y, size):
        super().__init__()
        self.x, self.y, self.size = x, y, size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, i):
        span = slice(i * self.size, (i + 1) * self.size)
        return self.x[span], self.y[span]


@pytest.mark.parametrize("make", CALLBACKS.values(), ids=CALLBACKS)
def test_the_trainer_is_bit_identical_to_keras_fit(network, blobs, values, make):
    model = network()
    expected = model.fit(
        Fixed(*blobs, 20),
        epochs=5,
        shuffle=False,
        verbose=0,
        callbacks=make(),
        validation_data=Fixed(blobs[0][:30], blobs[1][:30], 20),
    )
    theirs = values(model)
    model = network()
    trainer = Trainer(model, Fixed(*blobs, 20), make(), epochs=5, validation=Fixed(blobs[0][:30], blobs[1][:30], 20))
    trainer.run(0, 5)
    trainer.end()
    assert same(values(model), theirs)
    assert trainer.history.history == expected.history
    assert trainer.history.epoch == expected.epoch
    assert not same(theirs, values(network())), "something was trained"


def test_callbacks_receive_the_calls_of_keras_fit(network, blobs):
    class Log(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.calls = []

        def on_train_begin(self, logs=None):
            self.calls.append("train begin")

        def on_epoch_begin(self, epoch, logs=None):
            self.calls.append(f"epoch {epoch} begin")

        def on_train_batch_end(self, batch, logs=None):
            self.calls.append((batch, sorted(logs), round(float(logs["loss"]), 6)))

        def on_epoch_end(self, epoch, logs=None):
            self.calls.append((epoch, {k: float(v) for k, v in logs.items()}))

        def on_test_begin(self, logs=None):
            self.calls.append("test begin")

        def on_test_batch_begin(self, batch, logs=None):
            self.calls.append(f"test batch {batch} begin")

        def on_test_batch_end(self, batch, logs=None):
            self.calls.append((f"test batch {batch} end", {k: float(v) for k, v in logs.items()}))

        def on_test_end(self, logs=None):
            self.calls.append(("test end", {k: float(v) for k, v in logs.items()}))

        def on_train_end(self, logs=None):
            self.calls.append("train end")

    theirs, ours = Log(), Log()
    validation = Fixed(blobs[0][:30], blobs[1][:30], 20)
    network().fit(Fixed(*blobs, 32), epochs=2, shuffle=False, verbose=0, callbacks=[theirs], validation_data=validation)
    trainer = Trainer(network(), Fixed(*blobs, 32), [ours], epochs=2, validation=validation)
    trainer.run(0, 2)
    trainer.end()
    assert ours.calls == theirs.calls
    assert sum(call == "test begin" for call in ours.calls) == 2


@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_state_within_an_epoch_resumes_bit_identically(network, blobs, values, at):
    def trainer_of(seed):
        stop = StopFlag()
        early = keras.callbacks.EarlyStopping(monitor="loss", patience=3, restore_best_weights=True)
        model = network(seed=seed)
        return Trainer(
            model,
            DLSequencer(*blobs, 16, seed=5),
            [early],
            epochs=3,
            stop=stop,
            validation=DLSequencer(blobs[0][:30], blobs[1][:30], 16, shuffle=False),
        ), stop

    whole, _ = trainer_of(1)
    whole.run(0, 3)
    cut, stop = trainer_of(1)
    cut.run(0, 1)

    class StopAt(Observer):
        def on_step(self, epoch, step, steps, logs):
            if step == at:
                stop.request("a test")

    cut.observers = [StopAt()]
    with pytest.raises(Interrupted, match="a test"):
        cut.run(1, 3)
    state = cut.capture(1)
    assert (state.epoch, state.step) == (1, at)
    resumed, _ = trainer_of(99)  # other initial weights: all values must come from the state
    resumed.restore(state)
    resumed.run(1, 3)
    assert same(values(resumed.model), values(whole.model))
    assert resumed.history.history == whole.history.history
    whole.end()
    resumed.end()
    assert same(values(resumed.model), values(whole.model))


def test_a_state_with_a_metric_that_the_network_lacks_resumes(network, blobs, values):
    def trainer_of(**compiled):
        model = network()
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", **compiled)
        stop = StopFlag()
        return Trainer(model, DLSequencer(*blobs, 16, seed=5), epochs=2, stop=stop), stop

    cut, stop = trainer_of(metrics=["accuracy"])  # an older version added it to a specification without metrics

    class StopAt(Observer):
        def on_step(self, epoch, step, steps, logs):
            if step == 4:
                stop.request("a test")

    cut.observers = [StopAt()]
    with pytest.raises(Interrupted, match="a test"):
        cut.run(0, 2)
    resumed, whole = trainer_of()[0], trainer_of()[0]
    resumed.restore(cut.capture(0))
    resumed.run(0, 2)
    whole.run(0, 2)
    assert same(values(resumed.model), values(whole.model))
    assert resumed.history.history == whole.history.history


def test_a_retried_training_is_unaffected_by_the_failed_one(network, blobs, values):
    trainer = Trainer(network(), DLSequencer(*blobs, 16), epochs=2)
    state = trainer.capture(0)
    trainer.run(0, 2)
    first = values(trainer.model)
    trainer.restore(state)
    assert not same(values(trainer.model), first)
    trainer.run(0, 2)
    assert same(values(trainer.model), first)
    assert len(trainer.history.history["loss"]) == 2


def test_a_state_of_another_network_is_refused_by_name(network, blobs):
    state = Trainer(network(), DLSequencer(*blobs, 16), epochs=1).capture(0)
    name = next(name for name in state.arrays if "first/kernel" in name)
    state.arrays[name] = np.zeros((6, 9), "float32")
    with pytest.raises(MismatchError, match=r"first/kernel of shape \(6, 9\).*the network needs \(6, 8\)"):
        Trainer(network(), DLSequencer(*blobs, 16), epochs=1).restore(state)


def test_a_callback_with_get_state_is_restored(network, blobs):
    class Counter(keras.callbacks.Callback):
        count = 0

        def on_epoch_end(self, epoch, logs=None):
            self.count += 1

        def get_state(self):
            return {"count": self.count}

        def set_state(self, state):
            self.count = state["count"]

    trainer = Trainer(network(), DLSequencer(*blobs, 32), [Counter()], epochs=2)
    trainer.run(0, 2)
    other = Counter()
    Trainer(network(), DLSequencer(*blobs, 32), [other], epochs=2).restore(trainer.capture(2))
    assert other.count == 2
