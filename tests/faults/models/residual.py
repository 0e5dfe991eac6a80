"""A residual network on small pictures, with two nested models as blocks and spatial dropout."""

import keras
import numpy as np
from keras import layers


def pictures(examples=240, size=10, seed=5):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=examples)
    rows, columns = np.mgrid[:size, :size]
    stripes = np.stack([np.sin(rows * 1.5), np.sin(columns * 1.5), np.sin((rows + columns) * 1.1)])
    X = stripes[y] + rng.normal(0, 1.2, (examples, size, size))
    return X.astype(np.float32)[..., None], y.astype(np.int64)


def block(shape, name):
    given = keras.Input(shape)
    x = layers.Conv2D(shape[-1], 3, padding="same", use_bias=False, name="conv_a")(given)
    x = layers.Activation("relu")(layers.BatchNormalization(name="norm_a")(x))
    x = layers.Conv2D(shape[-1], 3, padding="same", use_bias=False, name="conv_b")(x)
    x = layers.Add()([given, layers.BatchNormalization(name="norm_b")(x)])
    return keras.Model(given, layers.Activation("relu")(x), name=name)


def network(size=10, width=8):
    picture = keras.Input((size, size, 1))
    x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu", name="stem")(picture)
    for number in (1, 2):
        x = block((size // 2, size // 2, width), f"block{number}")(x)
        x = layers.SpatialDropout2D(0.2, name=f"drop{number}")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(picture, layers.Dense(3, activation="softmax", name="head")(x), name="residual")
