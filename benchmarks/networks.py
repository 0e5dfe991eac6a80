"""The benchmarks' networks and data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from handler import DLTrainingHandler
from handler.data.sources import shape
from handler.run.builders import build_model_handler, load_data
from handler.spec.reader import parse_spec
from handler.store.store import Store


def compiled(inputs: Any, outputs: Any) -> Any:
    """Return a model, compiled with the settings that all these networks share."""
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def perceptron(width: int = 64, inputs: int = 32) -> Any:
    """Return a network with three hidden layers."""
    keras.utils.set_random_seed(1)
    x = given = keras.Input((inputs,))
    for i in range(3):
        x = layers.Dense(width, activation="relu", name=f"dense{i}")(x)
    return compiled(given, layers.Dense(4, activation="softmax", name="head")(x))


def residual(blocks: int = 9, side: int = 32, width: int = 24) -> Any:
    """Return a residual network with blocks of two convolutions; every third block halves the size and doubles the
    width.
    """
    keras.utils.set_random_seed(1)
    given = keras.Input((side, side, 3))
    x = layers.Conv2D(width, 3, padding="same", name="stem")(given)
    for i in range(blocks):
        stride, channels = (2 if i and i % 3 == 0 else 1), width * 2 ** (i // 3)
        y = layers.Conv2D(channels, 3, strides=stride, padding="same", name=f"block{i}_a")(x)
        y = layers.ReLU()(layers.BatchNormalization(name=f"block{i}_na")(y))
        y = layers.Conv2D(channels, 3, padding="same", name=f"block{i}_b")(y)
        y = layers.BatchNormalization(name=f"block{i}_nb")(y)
        if stride > 1:
            x = layers.Conv2D(channels, 1, strides=2, name=f"block{i}_skip")(x)
        x = layers.ReLU()(layers.add([x, y]))
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return compiled(given, layers.Dense(10, activation="softmax", name="head")(x))


def pointwise(blocks: int = 49, points: int = 64, width: int = 64) -> Any:
    """Return a network with `2 * blocks` weighted layers: shared dense layers over points, with batch normalisation."""
    keras.utils.set_random_seed(1)
    x = given = keras.Input((points, 3))
    for i in range(blocks - 1):
        x = layers.Dense(width, name=f"dense{i}")(x)
        x = layers.Activation("relu")(layers.BatchNormalization(name=f"norm{i}")(x))
    x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dense(width, activation="relu", name="dense_last")(x)
    return compiled(given, layers.Dense(4, activation="softmax", name="head")(x))


def mobile(side: int = 96) -> Any:
    """Return MobileNetV2 with random weights and a new head, as for transfer learning."""
    keras.utils.set_random_seed(1)
    given = keras.Input((side, side, 3))
    backbone = keras.applications.MobileNetV2((side, side, 3), weights=None, include_top=False, pooling="avg")
    x = layers.Dropout(0.2)(backbone(given))
    return compiled(given, layers.Dense(10, activation="softmax", name="head")(x))


def autoencoder(fields: int = 64) -> tuple[Callable[[], Any], tuple[Any, Any]]:
    """Return the hierarchical autoencoder over receptive fields of a synthetic scene.

    Returns:
        A function that returns a new compiled network, and (X, y). X holds the fields' structure (neighbours, pooling)
        as further inputs.
    """
    spec = parse_spec({
        "name": "fields",
        "seed": 1,
        "data": {"source": "synthetic", "args": {"receptive_fields": {"points": 1024, "count": fields}}},
        "model": {
            "architecture": "conv_autoencoder",
            "args": {"widths": [24, 48, 96, 96], "neighbours": 12},
            "compile": {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        },
        "training": {"epochs": 1, "batch_size": 8},
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)

        def handler() -> Any:
            return build_model_handler(spec, Path(folder), store, shape(spec.data, Path(folder)))

        mh, dataset = handler(), load_data(spec, Path(folder), store)
        DLTrainingHandler().pre_fit(mh, dataset.X, dataset.y, [])
        X, y, _ = mh.build_sequencer(dataset.X, dataset.y).whole()
    return lambda: handler().compiled, (X, y)


def examples(model: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random X and y for a model."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, *model.input_shape[1:])).astype("float32")
    return x, rng.integers(0, model.output_shape[-1], rows)


def differing(one: Any, other: Any) -> int:
    """Return how many variables of two models and their optimizers are not bit-identical."""
    pairs = zip((*one.variables, *one.optimizer.variables), (*other.variables, *other.optimizer.variables), strict=True)
    return sum(np.asarray(a).tobytes() != np.asarray(b).tobytes() for a, b in pairs)
