"""A network that calls one nested model twice, behind an adapted Normalization, and validation data."""

import keras
import numpy as np
from keras import layers


def pairs(examples=240, held_out=60, seed=13):
    rng = np.random.default_rng(seed)
    X = rng.normal(5.0, [[1.0] * 4 + [8.0] * 4] * (examples + held_out)).astype(np.float32)
    y = ((X[:, 0] - X[:, 1]) * (X[:, 4] - 5.0) > 0).astype(np.int64)
    return X[:examples], y[:examples], X[examples:], y[examples:]


def tower(width):
    given = keras.Input((4,))
    x = layers.Dense(width, activation="gelu", name="wide")(given)
    x = layers.Dropout(0.1, name="drop")(layers.BatchNormalization(name="norm")(x))
    inner = keras.Sequential([keras.Input((width,)), layers.Dense(width, activation="gelu", name="deep")], name="inner")
    return keras.Model(given, inner(x), name="tower")


def network(width=16):
    given = keras.Input((8,), name="given")
    scale = layers.Normalization(name="scale")
    scale.adapt(pairs()[0])
    x = scale(given)
    left, right = x[:, :4], x[:, 4:]
    side = tower(width)
    x = layers.Concatenate(name="both")([side(left), side(right)])
    x = layers.Dense(width, activation="gelu", name="mix")(x)
    return keras.Model(given, layers.Dense(2, activation="softmax", name="head")(x), name="shared")
