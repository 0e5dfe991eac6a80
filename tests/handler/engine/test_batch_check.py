"""Data that a network, its loss or its metrics do not accept are refused before the first step."""

import keras
import numpy as np
import pytest
from keras import layers

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.errors import DataError, FrostlineError, SpecError
from tests.handler.arch.networks import Subclassed

CATEGORICAL = "categorical_crossentropy"
X = np.random.default_rng(0).normal(size=(12, 6)).astype("float32")
LABELS, ONES = np.arange(12) % 3, np.eye(3)[np.arange(12) % 3]


def functional(units=3, inputs=1, outputs=1):
    keras.utils.set_random_seed(1)
    given = [keras.Input((6,)) for _ in range(inputs)]
    x = layers.Dense(8)(layers.Concatenate()(given) if inputs > 1 else given[0])
    made = [layers.Dense(units, activation="softmax" if units > 1 else "sigmoid")(x) for _ in range(outputs)]
    return keras.Model(given if inputs > 1 else given[0], made if outputs > 1 else made[0])


def total(y, p):
    return keras.ops.sum(p)


def crossed(y, p):
    return keras.ops.sum(keras.ops.matmul(y, p))


@pytest.mark.parametrize(
    ("model", "options", "given", "said"),
    [
        (lambda: functional(2), {}, (X, LABELS), "^X and y_rf: y has the label 2 in row 2"),
        (Subclassed, {"loss": CATEGORICAL}, (X, LABELS), "^loss: categorical_crossentropy takes one value per class"),
        (lambda: functional(1), {}, (X, LABELS % 2), "^loss: sparse_categorical_crossentropy needs a unit per class"),
        (functional, {"loss": crossed}, (X, ONES[:, :2]), "^loss: doesn't fit targets of shape .2,. an example"),
        (functional, {"loss": total, "metrics": [crossed]}, (X, ONES[:, :2]), "^metrics: doesn't fit targets of shape"),
        (functional, {}, ([X, X], LABELS), "^X and y_rf: gives 2 input arrays, the network takes 1"),
        (lambda: functional(inputs=2), {}, (X, LABELS), "^X and y_rf: gives 1 input arrays, the network takes 2"),
        (functional, {}, (X[:, :5], LABELS), r"^X and y_rf: input 0 has examples of shape \(5,\), the network takes"),
        (functional, {}, (X, LABELS[:7]), r"^X and y_rf: X of the data has 12 examples and y has 7; give one target for each"),
        (lambda: functional(outputs=2), {}, (X, LABELS), "has 2 outputs and the data one array of targets"),
        (functional, {"validation_data": (X[:, :5], LABELS)}, (X, LABELS), "^validation_data: input 0 has examples"),
        (functional, {"validation_data": (X, ONES)}, (X, LABELS), "^loss: .* y_val has one value per class"),
        (functional, {"validation_data": ([X, X], LABELS)}, (X, LABELS), "^validation_data: gives 2 input arrays"),
        (functional, {"class_weight": {7: 2.0}}, (X, LABELS), "^class_weight: there is no class 7"),
        (lambda: keras.Sequential([]), {}, (X, LABELS), "^arch: the network .* has no layers"),
    ],
)
def test_the_handler_refuses_data_that_no_step_accepts(model, options, given, said, tmp_path):
    mh = DLModelHandler(KerasArchitecture(model()), optimizer="sgd", training_epochs=1, **options)
    with pytest.raises(FrostlineError, match=said) as caught:
        DLTrainingHandler(store=tmp_path / "store")(mh, *given, [])
    assert isinstance(caught.value, SpecError | DataError)
    assert not list((tmp_path / "store").glob("states/*")), "nothing is written"
