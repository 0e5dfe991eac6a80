"""Names and arguments of Keras's objects: accepted as Keras accepts them, and logged as it logs them."""

import keras
import pytest

from handler.spec.keras_objects import LOSS, METRIC, OPTIMIZER, RATE_SCHEDULE, check_named, metric_label


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
