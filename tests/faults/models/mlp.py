"""Dense layers with batch normalisation and dropout, and validation data."""

import keras
import numpy as np
from keras import layers


def arrays(examples=400, held_out=80, seed=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((examples + held_out, 12), dtype=np.float32)
    y = (X[:, :4].sum(axis=1) + 2 * X[:, 4] * X[:, 5] > 0).astype(np.int64)
    return X[:examples], y[:examples], X[examples:], y[examples:]


def network(units=32):
    given = keras.Input((12,), name="given")
    x = layers.Dense(units, activation="gelu", name="low")(given)
    x = layers.BatchNormalization(name="low_norm")(x)
    x = layers.Dropout(0.2, name="low_drop")(x)
    x = layers.Dense(units, activation="gelu", name="middle")(x)
    x = layers.Dense(units, activation="gelu", name="high")(x)
    x = layers.BatchNormalization(name="high_norm")(x)
    x = layers.Dropout(0.1, name="high_drop")(x)
    return keras.Model(given, layers.Dense(2, activation="softmax", name="head")(x), name="mlp")
