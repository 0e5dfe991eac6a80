"""A cell run again with the same model handler: its epochs are cached, whatever the values in memory."""

import shutil
import subprocess
import sys
from contextlib import nullcontext

import keras
import numpy as np
import pytest

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.errors import DamagedError
from tests.handler.conftest import Epochs, same

SCHEDULE = [{"training_interval": [1, 3], "layers": ["first"], "initial_learning_rate": 0.005}]


@pytest.fixture
def made(network):
    """Return a function that makes a model handler from a network or from a function that builds one."""

    def make(epochs=4, *, of="network", **options):
        given = network if of == "function" else network()
        return DLModelHandler(KerasArchitecture(given), training_epochs=epochs, batch_size=32, **options)

    return make


@pytest.fixture
def cell(blobs, tmp_path):
    """Return a function that trains like a cell of a notebook and returns the trained epochs."""

    def run(mh, callbacks=None, *, schedule=SCHEDULE, store="s", X=None):
        watch = Epochs()
        DLTrainingHandler(schedule, store=tmp_path / store, observers=[watch])(mh, blobs[0] if X is None else X, blobs[1], callbacks)
        return watch.epochs

    return run


@pytest.mark.parametrize("of", ["network", "function"])
def test_a_repeated_cell_trains_nothing(of, made, cell, values):
    mh = made(of=of)
    assert cell(mh) == [0, 1, 2, 3]
    first, history = values(mh.compiled), mh.history.history
    for _ in range(2):
        assert cell(mh) == []
        assert same(values(mh.compiled), first)
        assert mh.history.history == history


def test_two_additional_epochs_train_only_those_two(made, cell, values):
    mh, whole = made(), made(epochs=6)
    cell(mh)
    mh.training_epochs = 6
    assert cell(mh) == [4, 5]
    assert cell(whole, store="whole") == [0, 1, 2, 3, 4, 5]
    assert same(values(mh.compiled), values(whole.compiled))
    mh.training_epochs = 3
    assert cell(mh) == []
    assert not same(values(mh.compiled), values(whole.compiled))


class Stop(keras.callbacks.Callback):
    """A callback that interrupts the kernel once, in the middle of an epoch."""

    def __init__(self, epoch, error):
        super().__init__()
        self._at, self._error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self._now == self._at and batch == 1 and self._error is not None:
            error, self._error = self._error, None
            raise error

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


@pytest.mark.parametrize("epoch", [0, 2])
def test_an_interrupted_cell_resumes_bit_identically(epoch, made, cell, values):
    mh, whole = made(), made()
    stop = Stop(epoch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        cell(mh, [stop])
    assert cell(mh, [stop]) == list(range(epoch, 4))
    cell(whole, [Stop(9, None)], store="whole")
    assert same(values(mh.compiled), values(whole.compiled))


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_repeated_cell_counts_no_steps_of_the_first_fit(interrupted, made, cell):
    mh = made(epochs=3, optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))
    callbacks = [Stop(1, KeyboardInterrupt() if interrupted else None)]
    schedule = [{"training_interval": [2, 3], "layers": ["first"]}]  # after 6 steps, 3 an epoch
    with pytest.raises(KeyboardInterrupt) if interrupted else nullcontext():
        assert cell(mh, callbacks, schedule=schedule) == [0, 1, 2]
    assert cell(mh, callbacks, schedule=schedule) == ([1, 2] if interrupted else [])


class Losses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.losses = []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])

    def get_state(self):
        return {"losses": self.losses}

    def set_state(self, state):
        self.losses = state["losses"]


def test_the_state_of_callbacks_does_not_enter_the_key(made, cell):
    mh = made()
    callbacks = [keras.callbacks.EarlyStopping(monitor="loss", patience=9), keras.callbacks.ReduceLROnPlateau(monitor="loss"), Losses()]
    assert cell(mh, callbacks) == [0, 1, 2, 3]
    assert cell(mh, callbacks) == []
    mh.training_epochs = 5
    assert cell(mh, callbacks) == [4]
    assert len(callbacks[2].losses) == 5
    callbacks[0].patience = 8
    assert cell(mh, callbacks) == [0, 1, 2, 3, 4]


def _set_weights(mh):
    mh.compiled.set_weights([np.zeros_like(w) for w in mh.compiled.get_weights()])


def _compile(mh):
    mh.compiled.compile("sgd", "sparse_categorical_crossentropy")


def _fit(mh):
    mh.compiled.fit(np.ones((32, 6), "float32"), np.ones(32, "int64"), verbose=0)


@pytest.mark.parametrize("change", [_set_weights, _compile, _fit])
def test_weights_changed_by_the_user_start_a_new_training(change, made, cell):
    mh = made()
    cell(mh)
    change(mh)
    assert cell(mh) == [0, 1, 2, 3]
    assert cell(mh) == []


def test_changed_inputs_start_a_training_from_the_current_weights(made, cell, blobs, values):
    mh = made()
    cell(mh)
    left = values(mh.compiled)
    assert cell(mh, schedule=None) == [0, 1, 2, 3]
    assert not same(values(mh.compiled), left)
    assert cell(mh, schedule=None) == []
    assert cell(mh, schedule=None, X=blobs[0] + 1) == [0, 1, 2, 3]


def test_a_schedule_that_differs_only_in_later_epochs_resumes(made, cell):
    mh = made(epochs=3)
    cell(mh)
    mh.training_epochs = 5
    assert cell(mh, schedule=[*SCHEDULE, {"training_interval": [3, 5], "layers": ["head"]}]) == [3, 4]


def test_a_deleted_store_is_refused(made, cell, tmp_path):
    mh = made()
    cell(mh)
    shutil.rmtree(tmp_path / "s")
    with pytest.raises(DamagedError, match=r"no longer has a state of this training.*build the network again"):
        cell(mh)


KERNEL = """
import os, sys, keras, numpy as np
from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture, Observer
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, name="first"), keras.layers.Dense(3, name="head")])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
class Watch(Observer):
    def on_epoch(self, epoch, logs, seconds):
        print(epoch, flush=True)
        if epoch == int(sys.argv[1]):
            os._exit(9)
rng = np.random.default_rng(0)
mh = DLModelHandler(KerasArchitecture(model), training_epochs=4, batch_size=32)
DLTrainingHandler({"training_interval": [1, 3], "layers": ["first"]}, store="s", name="mine", observers=[Watch()])(
    mh, rng.normal(size=(96, 6)).astype("float32"), rng.integers(0, 3, 96), None)
"""


@pytest.mark.service
def test_a_killed_kernel_resumes_its_run(tmp_path):
    def kernel(epoch):
        done = subprocess.run([sys.executable, "-c", KERNEL, str(epoch)], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout.split()

    def status():
        typed = subprocess.run([sys.executable, "-m", "flows.command", "runs", "--store", "s"], cwd=tmp_path, capture_output=True, text=True)
        return typed.stdout

    assert kernel(1) == (9, ["0", "1"])
    assert "mine   killed" in status()
    assert kernel(-1) in [(0, ["2", "3"]), (0, ["1", "2", "3"])]  # the last snapshot is written in the background
    assert "mine   completed   4 of 4" in status()
    assert kernel(-1) == (0, [])
