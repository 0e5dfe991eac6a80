"""Fixtures of the handler's tests: small real networks and data."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from handler.observer import Observer
from handler.state.keras_state import to_array
from tests.good_spec import write_good

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def blobs():
    """Return points of three classes: X (96, 6) float32, y (96,) int64."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(96, 6)).astype("float32")
    return x, x[:, :3].argmax(axis=1).astype("int64")


@pytest.fixture
def network():
    """Return a function that builds the same compiled network on each call.

    The network has dense layers, batch normalisation, dropout and a nested model.
    """
    import keras
    from keras import layers

    def build(optimizer=None, seed=11, **compile_args):
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        inner_in = keras.Input((8,))
        inner = keras.Model(inner_in, layers.Dense(8, activation="relu", name="deep")(inner_in), name="block")
        inputs = keras.Input((6,))
        x = layers.Dense(8, activation="relu", name="first")(inputs)
        x = layers.BatchNormalization(name="norm")(x)
        x = layers.Dropout(0.3, name="drop")(x)
        x = inner(x)
        model = keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))
        model.compile(
            optimizer=optimizer or keras.optimizers.Adam(0.01),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            **compile_args,
        )
        return model

    return build


@pytest.fixture
def values():
    """Return a function that copies all variables of a model and its optimizer, in order."""

    def copy(model):
        return [to_array(v) for v in (*model.variables, *model.optimizer.variables)]

    return copy


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a valid specification and its module; forget the modules that a test imports from it."""
    write_good(tmp_path)
    yield tmp_path
    for name in [
        name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(str(tmp_path))
    ]:
        del sys.modules[name]


def same(one, other):
    """Return whether two lists of arrays are bit-identical."""
    return len(one) == len(other) and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True)
    )


def spoilt(array, row, value=np.nan):
    """Return a copy of an array with another value in a row."""
    array = np.array(array)
    array[row] = value
    return array


class Epochs(Observer):
    """An observer that records the trained epochs and the notes to the user."""

    def __init__(self):
        self.epochs, self.notes = [], []

    def on_epoch(self, epoch, logs, seconds):
        self.epochs.append(epoch)

    def on_message(self, text):
        self.notes.append(text)
