"""The targets that each loss takes."""

import keras
import pytest

from handler.engine.losses import BINARY, CLASSES, NUMBERS, ONE_HOT, classify_loss, is_one_hot

SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"


@pytest.mark.parametrize(
    ("loss", "family"),
    [
        (SPARSE, CLASSES),
        (keras.losses.SparseCategoricalCrossentropy(), CLASSES),
        (keras.losses.CategoricalFocalCrossentropy(), ONE_HOT),
        (keras.losses.binary_crossentropy, BINARY),
        ("mse", NUMBERS),
        (keras.losses.Huber(), NUMBERS),
        (lambda y, p: p, None),
        (None, None),
        ("ctc", None),
    ],
)
def test_the_loss_determines_the_family_of_its_targets(loss, family):
    assert classify_loss(loss) == family


@pytest.mark.parametrize(
    ("target", "floats", "loss", "output", "expected"),
    [
        ((3,), False, CATEGORICAL, (3,), True),
        ((5,), True, SPARSE, (5, 3), False),  # a label per point
        ((5,), False, lambda y, p: p, (5, 3), False),
        ((3,), False, lambda y, p: p, (3,), True),
        ((3,), True, None, None, True),
        ((3,), False, None, None, False),
        ((), True, "mse", (1,), False),
        ((1,), True, CATEGORICAL, (1,), False),
    ],
)
def test_the_loss_and_the_output_decide_whether_targets_are_one_hot(target, floats, loss, output, expected):
    assert is_one_hot(target, floats, loss, output) is expected
