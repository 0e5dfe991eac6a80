"""Keras objects from a specification: Keras's own by name, the user's by module:Class."""

import sys

import keras
import pytest

from handler.errors import SpecError, UserCodeError
from handler.run.keras_factory import keras_object
from handler.spec.keras_objects import LOSS, METRIC, OPTIMIZER, RATE_SCHEDULE, check_named

OWN = """
import keras


class Slow(keras.optimizers.SGD):
    pass


class Halving(keras.optimizers.schedules.ExponentialDecay):
    def __init__(self, rate):
        if rate > 1:
            raise ValueError("rate is above 1")
        super().__init__(rate, 1, 0.5)


class Arrays:
    def __new__(cls, size=1):
        import numpy
        return numpy.zeros(size)


def error(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


class Scaled(keras.losses.Loss):
    def __init__(self, factor=1.0):
        super().__init__(name="scaled")
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * error(y_true, y_pred)
"""


@pytest.fixture
def make(tmp_path):
    (tmp_path / "own_objects.py").write_text(OWN)
    yield lambda kind, value: keras_object(kind, check_named(kind, value), tmp_path, "here")
    sys.modules.pop("own_objects", None)


def test_keras_objects_are_created_by_name(make):
    adam = make(OPTIMIZER, {"name": "Adam", "learning_rate": 0.25, "beta_1": 0.5})
    assert (type(adam), float(adam.learning_rate), adam.beta_1) == (keras.optimizers.Adam, 0.25, 0.5)
    assert type(make(OPTIMIZER, "sgd")) is keras.optimizers.SGD
    assert make(LOSS, "mse") is keras.losses.mean_squared_error
    assert (
        make(LOSS, {"name": "CategoricalCrossentropy", "label_smoothing": 0.1}).get_config()["label_smoothing"] == 0.1
    )
    assert make(METRIC, {"name": "MeanIoU", "num_classes": 3}).num_classes == 3


def test_a_metric_given_as_a_name_stays_a_name(make):
    assert make(METRIC, "accuracy") == "accuracy"


def test_a_learning_rate_schedule_is_created_within_its_optimizer(make):
    rate = {"name": "CosineDecay", "initial_learning_rate": 0.5, "decay_steps": 4}
    made = make(OPTIMIZER, {"name": "adam", "learning_rate": rate})
    assert made.get_config()["learning_rate"]["class_name"] == "CosineDecay"
    assert made.get_config()["learning_rate"]["config"]["decay_steps"] == 4


def test_user_classes_and_functions_are_created_from_the_folder(make):
    made = make(OPTIMIZER, {"name": "own_objects:Slow", "learning_rate": {"name": "own_objects:Halving", "rate": 0.5}})
    assert type(made).__name__ == "Slow"
    made.iterations.assign(1)
    assert float(made.learning_rate) == 0.25
    assert make(LOSS, {"name": "own_objects:Scaled", "factor": 3.0}).factor == 3.0
    assert make(METRIC, "own_objects:error").__name__ == "error"


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (OPTIMIZER, {"name": "adam", "clipnorm": 1.0, "clipvalue": 1.0}, "here: Keras refuses"),
        (METRIC, {"name": "AUC", "dtype": {"class_name": "X", "config": {}}}, "here: Keras refuses"),
        (OPTIMIZER, "own_objects:Fast", "here: own_objects.py defines no 'Fast'"),
        (LOSS, {"name": "own_objects:Scaled", "fator": 3.0}, "here: own_objects:Scaled refuses"),
        (
            LOSS,
            {"name": "own_objects:error", "factor": 3.0},
            "is a function, which takes no arguments here; write a class",
        ),
    ],
)
def test_an_invalid_keras_object_is_refused_with_its_field(kind, value, words, make):
    with pytest.raises(SpecError, match=words):
        make(kind, value)


def test_the_error_of_a_failing_user_class_has_its_arguments(make):
    rate = {"name": "own_objects:Halving", "rate": 2}
    with pytest.raises(
        UserCodeError, match=r"^here.learning_rate: own_objects:Halving\(rate=2\) failed: ValueError: rate is above 1$"
    ):
        make(OPTIMIZER, {"name": "adam", "learning_rate": rate})


@pytest.mark.parametrize("kind", [OPTIMIZER, RATE_SCHEDULE, LOSS, METRIC], ids=lambda kind: kind.what)
@pytest.mark.parametrize("value", ["own_objects:Arrays", {"name": "own_objects:Arrays", "size": 3}])
def test_a_user_class_that_creates_no_keras_object_is_refused(kind, value, make):
    with pytest.raises(SpecError, match=f"here: own_objects:Arrays gives ndarray; give a Keras {kind.what}"):
        make(kind, value)
