"""Ctrl-C in a notebook: an in-place training restores X and y wherever the interrupt arrives."""

import os
import signal

import keras
import numpy as np
import pytest

import handler.training.data_backup
from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture


class CtrlC(keras.callbacks.Callback):
    """A callback that sends Ctrl-C at the end of the second epoch, when the arrays are rearranged."""

    def __init__(self, x, moved):
        super().__init__()
        self.x, self.before, self.moved = x, x.copy(), moved

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.moved.append(not np.array_equal(self.x, self.before))
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def python_hears_ctrl_c():
    """Restore Python's handler of SIGINT, which is ignored in a process started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("again", [False, True], ids=["once", "and again while they are written back"])
@pytest.mark.parametrize("stored", [False, True], ids=["without a store", "with a store"])
def test_ctrl_c_restores_the_arrays(again, stored, network, blobs, tmp_path, monkeypatch):
    x, y = blobs
    before, moved, calls = (x.copy(), y.copy()), [], []
    original = handler.store.arrays.read_array

    def pressed_again(*args, **kwargs):
        calls.append(1)
        if again and len(calls) == 2:  # X is restored, y is not yet
            os.kill(os.getpid(), signal.SIGINT)
        return original(*args, **kwargs)

    monkeypatch.setattr(handler.training.data_backup, "read_array", pressed_again)
    mh = DLModelHandler(KerasArchitecture(network()), training_epochs=4, batch_size=16, seed=2, in_place=True)
    with pytest.raises(KeyboardInterrupt):
        DLTrainingHandler(store=tmp_path if stored else None).fit(mh, x, y, [CtrlC(x, moved)])
    assert moved == [True]
    assert len(calls) == (4 if again else 2)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
