"""Interpretation and scores of a network's outputs."""

import keras
import numpy as np
import pytest

from handler.engine.outputs import infer_kind, labels_of_outputs, score_outputs

LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("loss", "activation", "units", "kind"),
    [
        ("sparse_categorical_crossentropy", None, 3, "classes"),
        (keras.losses.CategoricalCrossentropy(), "linear", 3, "classes"),
        ("binary_crossentropy", "sigmoid", 1, "binary"),
        (LOGITS, "linear", 4, "binary"),
        (lambda y, p: p, "sigmoid", 1, "binary"),
        (lambda y, p: p, "softmax", 3, "classes"),
        (lambda y, p: p, None, 3, "classes"),
        ("kl_divergence", "softmax", 3, "classes"),
        ("mse", "linear", 1, "numbers"),
        ("mae", "sigmoid", 3, "numbers"),
        (lambda y, p: p, None, 1, "numbers"),
    ],
)
def test_the_kind_of_outputs_follows_from_loss_and_activation(loss, activation, units, kind):
    assert infer_kind(loss, activation, units) == kind


@pytest.mark.parametrize(
    ("predictions", "kind", "loss", "labels"),
    [
        ([[0.1, 0.9], [0.8, 0.2]], "classes", None, [1, 0]),
        ([[0.4], [0.5], [0.9]], "binary", "binary_crossentropy", [0, 1, 1]),
        ([[-0.1], [0.4]], "binary", LOGITS, [0, 1]),
        ([[0.4, 0.6], [0.5, 0.1]], "binary", "bce", [[0, 1], [1, 0]]),
        ([0.2, 0.7], "binary", "bce", [0, 1]),
        ([[0.4], [3.0]], "numbers", "mse", None),
    ],
)
def test_labels_are_the_likeliest_class_or_follow_a_threshold(predictions, kind, loss, labels):
    result = labels_of_outputs(np.array(predictions), kind, loss)
    assert result is None if labels is None else (result.dtype.kind == "i" and result.tolist() == labels)


def scored(predictions, kind, y, **options):
    predictions = np.array(predictions, "float32")
    return score_outputs(predictions, labels_of_outputs(predictions, kind, None), np.array(y), None, **options)


def test_numeric_outputs_are_scored_by_errors_and_r2():
    result, notes = scored([[1.0], [2.0], [3.0], [6.0]], "numbers", [1.0, 2.0, 3.0, 4.0])
    assert result == {"points": 4, "mae": 0.5, "rmse": 1.0, "r2": pytest.approx(0.2)}
    assert notes == []
    assert scored([[1.0], [2.0]], "numbers", [3.0, 3.0])[0]["r2"] is None


@pytest.mark.parametrize(
    ("predictions", "kind", "y", "accuracy"),
    [
        ([[0.2], [0.7], [0.6]], "binary", [0, 1, 0], 2 / 3),
        ([[0.2], [0.7], [0.6]], "binary", [[0.0], [1.0], [1.0]], 1.0),
        ([[0.1, 0.9], [0.8, 0.2]], "classes", [1.0, 1.0], 0.5),
        ([[0.1, 0.9], [0.8, 0.2]], "classes", [[0, 1], [1, 0]], 1.0),
        ([[0.1, 0.9], [0.8, 0.2]], "binary", [[0, 1], [1, 1]], 0.75),
    ],
)
def test_labels_are_scored_for_every_encoding_of_the_targets(predictions, kind, y, accuracy):
    result, notes = scored(predictions, kind, y)
    assert (result["overall_accuracy"], notes) == (pytest.approx(accuracy), [])


def test_labels_that_are_not_scored_are_noted():
    two = [[0.1, 0.9], [0.8, 0.2], [0.8, 0.2]]
    result, notes = scored(two, "classes", [1, 7, 0])
    assert (result["points"], notes) == (2, ["1 of 3 labels in y are outside 0 to 1 and are not scored"])
    assert scored(two, "classes", [1, -1, 0], ignored=-1)[1] == []
    assert scored(two, "classes", [5, 6, 7])[0] is None
    assert scored(two, "classes", [1, 0])[1] == ["y has the shape (2,) and the labels (3,): nothing is scored"]
    assert scored([[1.0], [2.0]], "numbers", [1.0, np.nan])[1] == [
        "y has values that are not finite: nothing is scored"
    ]
