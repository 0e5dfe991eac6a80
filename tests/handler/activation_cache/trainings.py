"""Small trainings with a frozen prefix."""

import keras
import numpy as np
from keras import layers as L

from handler import DLTrainingHandler
from handler.activation_cache.cache import PrefixOptions
from handler.arch.keras_model import KerasArchitecture
from handler.observer import Observer
from handler.training.model_handler import DLModelHandler

EPOCHS, ROWS, BATCH = 4, 44, 8
X = np.random.default_rng(1).normal(size=(ROWS, 8, 8, 3)).astype("float32")
Y = np.random.default_rng(2).integers(0, 3, ROWS)


def residual(inputs):
    x = stem = L.Conv2D(6, 3, padding="same", name="low_a", activation="relu")(inputs)
    x = L.BatchNormalization(name="low_b")(x)
    x = L.Conv2D(6, 3, padding="same", name="mid", activation="relu")(x)
    x = L.add([x, stem])
    return L.GlobalAveragePooling2D()(L.Dropout(0.4)(L.Conv2D(6, 3, name="top")(x)))


class Seen(Observer):
    """An observer that records its notifications."""

    def __init__(self):
        self.shares, self.notes, self.filled = [], [], []

    def on_segment_end(self, record):
        self.shares.append(record.prefix)

    def on_message(self, text):
        self.notes.append(text)

    def on_activations(self, done, examples):
        self.filled.append((done, examples))


def model_of(body, x=X, policy="float32"):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input(x.shape[1:], dtype="int32" if x.dtype.kind == "i" else None)
        outputs = L.Dense(3, name="head", dtype="float32", activation="softmax")(body(inputs))
        model = keras.Model(inputs, outputs)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(body, layers, data=(X,), mode="on", *, store=None, policy="float32", epochs=EPOCHS, rows=ROWS, options=None, **more):
    """Train one epoch without a mask and the others with frozen layers.

    Returns:
        The model, its history, and the observer.
    """
    seen = more.pop("seen", None) or Seen()
    x = data[0][:rows]
    mh = DLModelHandler(
        KerasArchitecture(model_of(body, x, policy)), training_epochs=epochs, batch_size=BATCH, seed=4,
        validation_data=(x[:10], Y[:10]), **more,
    )  # fmt: skip
    mh.compile()
    entries = {"training_interval": [1, epochs], "layers": [layers]}
    handler = DLTrainingHandler(entries, store=store, observers=[seen], prefixes=options or PrefixOptions(mode))
    history = handler(mh, x, Y[:rows])
    return mh.compiled, history.history, seen
