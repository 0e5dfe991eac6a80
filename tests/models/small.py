"""A small network and small data for tests: dropout, batch normalisation, two nested blocks."""

import keras
import numpy as np


def arrays(examples=96, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((examples, 8), dtype=np.float32)
    return X, (np.abs(X[:, :4]).sum(axis=1) > np.abs(X[:, 4:]).sum(axis=1)).astype(np.int64)


def network(units=16):
    given = keras.Input((8,), name="given")
    x = keras.layers.Dense(units, activation="gelu", name="low")(given)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.1, name="drop")(x)
    x = keras.layers.Dense(units, activation="gelu", name="high")(x)
    return keras.Model(given, keras.layers.Dense(2, activation="softmax", name="out")(x), name="small")
