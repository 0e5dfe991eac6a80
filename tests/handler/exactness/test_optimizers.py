"""A training resumes bit-identically from any state, with every optimizer and setting."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from handler.state.keras_state import to_array
from tests.handler.exactness.segmented_training import SegmentedTraining

OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd with momentum": (optimizers.SGD, {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd with nesterov": (optimizers.SGD, {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "adam": (optimizers.Adam, {}),
    "adam with amsgrad": (optimizers.Adam, {"amsgrad": True}),
    "adamw": (optimizers.AdamW, {"weight_decay": 0.1}),
    "rmsprop": (optimizers.RMSprop, {"momentum": 0.5, "centered": True}),
    "nadam": (optimizers.Nadam, {}),
    "lion": (optimizers.Lion, {}),
    "adafactor": (optimizers.Adafactor, {}),
    "muon": (optimizers.Muon, {"exclude_layers": ["head"]}),
    "adagrad": (optimizers.Adagrad, {}),
    "adadelta": (optimizers.Adadelta, {"learning_rate": 1.0}),
    "adamax": (optimizers.Adamax, {}),
    "ftrl": (optimizers.Ftrl, {"learning_rate": 0.1, "l2_regularization_strength": 0.01}),
    "lamb": (optimizers.Lamb, {}),
    "schedule-free adamw": (optimizers.ScheduleFreeAdamW, {}),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clipnorm": {"clipnorm": 0.02},
    "global clipnorm": {"global_clipnorm": 0.02},
    "clipvalue": {"clipvalue": 0.01},
    "accumulation": {"gradient_accumulation_steps": 4},
    "EMA weights": {"use_ema": True, "ema_momentum": 0.9},
    "EMA overwrites weights": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
    "rate schedule": {"schedule": True},
    "bfloat16": {"policy": "mixed_bfloat16"},
    "float16": {"policy": "mixed_float16"},
}
ALIKE = [{"clipnorm", "global clipnorm", "clipvalue"}, {"EMA weights", "EMA overwrites weights"}, {"bfloat16", "float16"}]
# It is unknown where such a window ends: tests/handler/exactness/test_accumulation.py.
ALIKE.append({"accumulation", "float16"})
PAIRS = [pair for pair in combinations(list(SETTINGS)[1:], 2) if not any(set(pair) <= group for group in ALIKE)]
# Each optimizer and each setting at least once, and Nadam's product under a LossScaleOptimizer, which Keras itself
# loses.
DIAGONAL = [
    ("sgd with momentum", "EMA overwrites weights"),
    ("adam", "float16"),
    ("adamw", "EMA weights"),
    ("nadam", "accumulation"),
    ("nadam", "float16"),
    ("muon", "bfloat16"),
    ("adafactor", "rate schedule"),
    ("rmsprop", "global clipnorm"),
    ("lion", "clipnorm"),
]


def network(optimizer: str, *settings: str) -> Any:
    """Return a function that makes a tiny network with that optimizer from a seed."""
    kind, arguments = OPTIMIZERS[optimizer]
    arguments = {"learning_rate": 0.01, **arguments}
    for setting in settings:
        arguments |= SETTINGS[setting]
    policy = arguments.pop("policy", "float32")
    if arguments.pop("schedule", False):
        rate = arguments["learning_rate"]
        arguments["learning_rate"] = optimizers.schedules.ExponentialDecay(rate, 3, 0.8)

    def make(seed: int) -> keras.Model:
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy(policy)
        try:
            inputs = keras.Input((4,))
            x = layers.Dense(4, activation="tanh", name="first")(inputs)
            x = layers.Dropout(0.2, name="drop")(x)
            outputs = layers.Dense(3, activation="softmax", name="head", dtype="float32")(x)
            model = keras.Model(inputs, outputs)
        finally:
            keras.config.set_dtype_policy("float32")
        made = kind(**arguments)
        if policy == "mixed_float16":  # as compile() would, but the scale grows until gradients overflow
            made = optimizers.LossScaleOptimizer(made, dynamic_growth_steps=3)
        model.compile(made, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return make


def check(optimizer: str, *settings: str) -> None:
    entry: dict[str, Any] = {"training_interval": [1, 3], "layers": ["first"]}
    if "rate schedule" not in settings:
        entry["initial_learning_rate"] = 2 * OPTIMIZERS[optimizer][1].get("learning_rate", 0.01)
    cut = SegmentedTraining(network(optimizer, *settings), entry)
    # It trained, and frozen layers stayed bit-identical, including their slots; only a running average still changes.
    assert cut.moved((0, 0), (1, 0), "first/")
    assert cut.moved((3, 0), (4, 0), "first/")
    assert not cut.moved((1, 0), (3, 0), "first/")
    assert cut.moved((1, 0), (3, 0), "head/")
    assert cut.moved((1, 0), (1, 3), "seed_generator")
    slots = [n for n in cut.end.arrays if n.startswith("optimizer/") and "first" in n and "_average" not in n]
    assert slots
    assert not any(cut.moved((1, 0), (3, 0), name, "optimizer") for name in slots)
    if "accumulation" in settings:
        assert cut.moved((0, 0), (1, 3), "gradient_accumulator", "optimizer"), "the cut is within a window"
    if "float16" in settings:
        scales = {float(s.arrays[n]) for s in cut.states.values() for n in s.arrays if n.endswith("dynamic_scale")}
        assert max(scales) > 2.0**15
        if len(settings) == 1:  # another setting may keep the gradients too small for an overflow
            assert _steps(cut) < 16, "gradients overflowed at least once"
    assert all(np.isfinite(array).all() for array in cut.end.arrays.values())
    assert set(cut.resumed_from_each()) == {(e, s) for e in range(4) for s in (0, 3)}


def _steps(cut: SegmentedTraining) -> int:
    return int(next(a for n, a in reversed(cut.end.arrays.items()) if n.endswith("iteration")))


@pytest.mark.parametrize(("optimizer", "setting"), DIAGONAL)
def test_a_training_resumes_bit_identically(optimizer, setting):
    check(optimizer, setting)


@pytest.mark.service
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_and_setting_resumes_bit_identically(optimizer, setting):
    check(optimizer, setting)


@pytest.mark.service
def test_every_setting_changes_the_trained_weights():
    ends = {}
    for setting in SETTINGS:
        cut = SegmentedTraining(network("sgd with momentum", setting), {"training_interval": [1, 3], "layers": ["first"]})
        cut.whole.end()
        ends[setting] = b"".join(to_array(v).tobytes() for v in cut.whole.model.trainable_variables)
    assert len(set(ends.values())) == len(SETTINGS)


@pytest.mark.service
@pytest.mark.parametrize(("optimizer", "pair"), list(zip(len(PAIRS) * list(OPTIMIZERS), PAIRS, strict=False)))
def test_every_pair_of_settings_resumes_bit_identically(optimizer, pair):
    check(optimizer, *pair)
