"""Comparison of the names in `keras_names` with those of the installed Keras."""

import inspect

import keras
import pytest
from keras.src import losses, metrics, optimizers

from handler.spec import keras_names
from handler.spec.callback_rules import RULES
from handler.spec.keras_objects import LOSS, METRIC, OPTIMIZER, RATE_SCHEDULE, check_named, metric_label

REFUSED = {name for name, rule in RULES.items() if rule.refused}


def arguments(cls):
    """Return the arguments of a class as the tables of `keras_names` write them."""
    taken = [
        p
        for p in inspect.signature(cls.__init__).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    return {("*" if p.default is p.empty else "") + p.name for p in taken if p.name != "self"}


def classes(objects, *left_out):
    return {
        name: cls
        for name, cls in objects.items()
        if inspect.isclass(cls) and name == cls.__name__ and name not in left_out
    }


def test_the_table_of_optimizers_matches_keras():
    wrappers = {"lossscaleoptimizer", "multioptimizer", "optimizer", "optimizermap"}
    known = {name: cls for name, cls in optimizers.ALL_OBJECTS_DICT.items() if name not in wrappers}
    assert keras_names.OPTIMIZERS.keys() == known.keys()
    for name, cls in known.items():
        assert {*keras_names.OPTIMIZERS[name].split(), *keras_names.OPTIMIZER_ARGUMENTS} == arguments(cls), name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (keras_names.LOSSES, classes(losses.ALL_OBJECTS_DICT, "Loss", "LossFunctionWrapper")),
        (keras_names.METRICS, classes(metrics.ALL_OBJECTS_DICT, "Metric", "MeanMetricWrapper", "Mean", "Sum")),
        (keras_names.RATE_SCHEDULES, classes(vars(keras.optimizers.schedules), "LearningRateSchedule")),
        (keras_names.CALLBACKS, classes(vars(keras.callbacks), *REFUSED)),
    ],
    ids=["losses", "metrics", "schedules", "callbacks"],
)
def test_the_tables_of_classes_and_arguments_match_keras(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, cls in theirs.items():
        assert set(ours[name].split()) == arguments(cls), name


def test_the_tables_of_short_names_match_keras():
    functions = {name for name, found in losses.ALL_OBJECTS_DICT.items() if not inspect.isclass(found)}
    assert set(keras_names.LOSS_NAMES) == functions
    short = {
        n: c.__name__
        for n, c in metrics.ALL_OBJECTS_DICT.items()
        if n != c.__name__ and c.__name__ in keras_names.METRICS
    }
    assert short == keras_names.METRIC_NAMES


def test_no_keras_callback_is_both_supported_and_refused():
    assert RULES.keys() - REFUSED == keras_names.CALLBACKS.keys()


@pytest.mark.parametrize(
    "metric",
    [
        "accuracy",
        "acc",
        "mae",
        "MSE",
        {"name": "MeanIoU", "num_classes": 3},
        {"name": "FBetaScore", "beta": 2.0},
        {"name": "LogCoshError", "dtype": "float32"},
        {"name": "TopKCategoricalAccuracy", "k": 2},
        {"name": "R2Score", "dtype": "float32"},
        {"name": "AUC", "num_thresholds": 20},
        {"name": "f1_score", "threshold": 0.5},
    ],
)
def test_keras_logs_a_metric_under_its_predicted_label(metric):
    import numpy as np

    keras.backend.clear_session(free_memory=False)
    checked = check_named(METRIC, metric)
    if isinstance(checked, dict):
        config = {key: value for key, value in checked.items() if key != "name"}
        checked = keras.metrics.get({"class_name": checked["name"], "config": config})
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(loss="mse", metrics=[checked])
    y = np.eye(3, dtype="float32")
    if isinstance(metric, dict) and metric["name"] == "MeanIoU":
        checked.sparse_y_true = checked.sparse_y_pred = False
    assert metric_label(metric) in model.evaluate(y, y, verbose=0, return_dict=True)


@pytest.mark.parametrize(
    ("kind", "get", "value"),
    [
        (OPTIMIZER, keras.optimizers.get, "Adam"),
        (OPTIMIZER, keras.optimizers.get, {"name": "SGD", "momentum": 0.5, "weight_decay": 0.1}),
        (LOSS, keras.losses.get, "sparse_categorical_crossentropy"),
        (LOSS, keras.losses.get, {"name": "Huber", "delta": 2.0}),
        (
            RATE_SCHEDULE,
            keras.optimizers.schedules.deserialize,
            {"name": "ExponentialDecay", "initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
        ),
    ],
)
def test_keras_accepts_every_accepted_object(kind, get, value):
    checked = check_named(kind, value)
    if isinstance(checked, dict):
        checked = {"class_name": checked["name"], "config": {k: v for k, v in checked.items() if k != "name"}}
    assert get(checked) is not None
