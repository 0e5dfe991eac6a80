"""A valid specification with its module, for the tests to change and to write to a folder."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

GOOD: dict[str, Any] = {
    "name": "good",
    "seed": 1,
    "data": {"source": "things:data", "args": {"examples": 32}},
    "model": {
        "architecture": "things:network",
        "args": {"width": 4},
        "compile": {
            "optimizer": {"name": "adam", "learning_rate": 0.01},
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
        },
    },
    "training": {
        "epochs": 8,
        "batch_size": 8,
        "callbacks": [{"name": "EarlyStopping", "monitor": "loss", "patience": 5}],
    },
    "freeze_training": [
        {"training_interval": [1, 3], "layers": ["first"]},
        {
            "training_interval": [4, 6],
            "layers": ["first", "second", "head"],
            "strategy": {"name": "round_robin", "period": 1},
            "initial_learning_rate": 0.005,
        },
    ],
}

MODULE = '''
"""Small data and a small network."""
import numpy as np


def data(examples=16, *, seed=0):
    x = np.random.default_rng(seed).normal(size=(examples, 6)).astype("float32")
    return x, x[:, :3].argmax(axis=1)


def network(width):
    import keras
    from keras import layers

    given = keras.Input((6,))
    x = layers.Dense(width, name="first")(given)
    x = layers.Dropout(0.1, name="drop")(layers.Dense(width, name="second")(x))
    return keras.Model(given, layers.Dense(3, activation="softmax", name="head")(x))


LIMIT = 3
'''

GONE = object()  # as a value: remove the key


def write_good(folder: Path, change: dict[str, Any] | str | None = None) -> Path:
    """Write the module and the changed specification to a folder; return the path of the specification."""
    (folder / "things.py").write_text(MODULE)
    file = folder / "spec.yaml"
    file.write_text(change if isinstance(change, str) else yaml.safe_dump(changed(change or {}), sort_keys=False))
    return file


def changed(change: dict[str, Any]) -> dict[str, Any]:
    """Return the valid specification with some keys changed, added or (GONE) removed."""
    spec = copy.deepcopy(GOOD)
    for path, value in change.items():
        *parents, last = path.split(".")
        target: Any = spec
        for key in parents:
            target = target[int(key)] if isinstance(target, list) else target.setdefault(key, {})
        if value is GONE:
            del target[last]
        elif isinstance(target, list):
            target[int(last)] = value
        else:
            target[last] = value
    return spec
