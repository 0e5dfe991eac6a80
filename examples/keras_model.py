"""The data and the network that `keras_model.yaml` trains. Replace them by your own.

The specification refers to the functions as `keras_model:images` and `keras_model:network`. Its `args` are passed to
them as keyword arguments.
"""

import keras
import numpy as np
from keras import layers

SHAPES = ("disc", "square", "ring", "cross")


def images(examples=4000, held_out=800, size=24, noise=0.45, seed=0):
    """Return noisy pictures of four shapes, X (n, size, size, 1) float32 and y (n,) int64, and held-out X and y."""
    rng = np.random.default_rng(seed)
    count = examples + held_out
    y = rng.integers(len(SHAPES), size=count)
    centre = rng.uniform(size * 0.35, size * 0.65, (count, 2, 1, 1))
    radius = rng.uniform(size * 0.18, size * 0.32, (count, 1, 1))
    rows, columns = np.mgrid[:size, :size]
    dy, dx = np.abs(rows - centre[:, 0]), np.abs(columns - centre[:, 1])
    distance = np.hypot(dy, dx)
    shapes = np.stack([
        distance < radius,
        np.maximum(dy, dx) < radius * 0.88,
        np.abs(distance - radius) < 1.2,
        (np.minimum(dy, dx) < 1.2) & (np.maximum(dy, dx) < radius),
    ])
    x = (shapes[y, np.arange(count)] + rng.normal(0, noise, (count, size, size))).astype("float32")[..., None]
    return x[:examples], y[:examples], x[examples:], y[examples:]


def network(size=24, width=24):
    """Return a small residual network with batch normalisation and dropout: a nested `backbone` and a head."""
    picture = keras.Input((size, size, 1))
    x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu", name="stem")(picture)
    for number in (1, 2):
        y = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"block{number}_conv_a")(x)
        y = layers.BatchNormalization(name=f"block{number}_norm_a")(y)
        y = layers.Activation("relu")(y)
        y = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"block{number}_conv_b")(y)
        y = layers.BatchNormalization(name=f"block{number}_norm_b")(y)
        x = layers.Activation("relu")(layers.Add()([x, y]))
    backbone = keras.Model(picture, layers.GlobalAveragePooling2D()(x), name="backbone")

    inputs = keras.Input((size, size, 1))
    x = layers.Dropout(0.3, name="drop")(backbone(inputs))
    x = layers.Dense(32, activation="relu", name="head_dense")(x)
    return keras.Model(inputs, layers.Dense(len(SHAPES), activation="softmax", name="head")(x), name="shapes")
