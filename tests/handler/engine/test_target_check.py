"""Targets, losses and outputs that fit each other, and others, which are refused before the first step."""

import keras
import numpy as np
import pytest

from handler import DLModelHandler, KerasArchitecture
from handler.engine.sequencer import DLSequencer
from handler.engine.target_check import check_targets
from handler.errors import SpecError

SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"
LABELS, ONES = np.arange(12) % 3, np.eye(3)[np.arange(12) % 3]


@pytest.mark.parametrize(
    ("y", "loss", "output", "said"),
    [
        (
            LABELS,
            SPARSE,
            (2,),
            r"y has the label 2 in row 2, but the network's output has 2 units, for the classes 0 to 1",
        ),
        (LABELS - 1, SPARSE, (3,), "y has the label -1 in row 0"),
        (LABELS + 0.5, SPARSE, (3,), "y has the label 0.5 in row 0"),
        (np.stack([LABELS, LABELS + 4], 1), SPARSE, (2, 6), "y has the label 6 in row 2"),
        (LABELS % 2, SPARSE, (1,), "output has one unit; use binary_crossentropy"),
        (LABELS % 2, CATEGORICAL, (1,), "output has one unit; use binary_crossentropy"),
        (ONES, SPARSE, (3,), "takes class numbers, but y has one value per class .* use categorical_crossentropy, or"),
        (LABELS, CATEGORICAL, (3,), "takes one value per class, but y has class numbers .* use sparse_categorical"),
        (ONES, SPARSE, (4,), r"takes class numbers of the shape \(\) an example .* but y has \(3,\)"),
        (ONES, CATEGORICAL, (4,), r"takes one value per class of the shape \(4,\) an example"),
        (
            LABELS,
            "binary_crossentropy",
            (1,),
            "y has the value 2 in row 2, but binary_crossentropy takes values from 0",
        ),
        (LABELS * 2.0 - 1, "binary_crossentropy", (1,), r"y has the value -1.0 in row 0"),
        (LABELS, "binary_crossentropy", (3,), "number by number, .* use sparse_categorical_crossentropy for class"),
        (LABELS, "mse", (3,), r"y has the shape \(\) and the output \(3,\)"),
        (ONES, "mae", (1,), r"y has the shape \(3,\) and the output \(1,\)"),
        (ONES[:, :1], "mse", (3,), r"y has the shape \(1,\) and the output \(3,\)"),
        (np.ones((4, 5, 2)), keras.losses.Huber(), (None, 3), r"the shape \(5, 2\) and the output \(any, 3\)"),
    ],
)
def test_targets_that_do_not_fit_are_refused_with_the_remedy(y, loss, output, said):
    with pytest.raises(SpecError, match=said) as caught:
        check_targets(y, loss, output)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("y", "loss", "output", "ignored"),
    [
        (LABELS, SPARSE, (3,), ()),
        (LABELS.astype("float32"), SPARSE, (3,), ()),
        (LABELS[:, None], SPARSE, (3,), ()),
        (LABELS - 1, SPARSE, (2,), (-1,)),
        (LABELS, keras.losses.SparseCategoricalCrossentropy(ignore_class=2), (2,), ()),
        (np.ones((4, 7), int), SPARSE, (None, 2), ()),
        (ONES.astype(bool), CATEGORICAL, (3,), ()),
        (LABELS > 1, "binary_crossentropy", (1,), ()),
        (ONES, "binary_crossentropy", (3,), ()),
        (LABELS / 2, "bce", (), ()),
        (LABELS * 7.0, "mse", (1,), ()),
        (LABELS[:, None], "mse", (), ()),
        (np.ones((4, 5, 2)), "mse", (None, 2), ()),
        (LABELS, "ctc", (9,), ()),
        (LABELS, lambda y, p: p, (9,), ()),
    ],
)
def test_targets_that_fit_are_accepted(y, loss, output, ignored):
    check_targets(y, loss, output, ignored=ignored)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "bool"])
def test_one_hot_targets_of_any_dtype_get_class_weights(dtype, network, blobs):
    x, y = blobs
    model = network()
    model.compile("sgd", CATEGORICAL)
    mh = DLModelHandler(KerasArchitecture(model), class_weight={0: 10}, batch_size=len(x))
    mh.compile()
    _, targets, weights = mh.build_sequencer(x, np.eye(3)[y].astype(dtype)).example()
    assert (targets.dtype, weights.shape) == (np.dtype(dtype), (len(x),))
    assert np.array_equal(weights, np.where(y == 0, 10, 1))


def test_a_sequencer_detects_one_hot_targets_by_their_dtype():
    y = np.eye(3)[[0, 1]]
    assert DLSequencer(y, y, 2).one_hot
    assert not DLSequencer(y, y.astype("uint8"), 2).one_hot
    assert not DLSequencer(y, y[:, 0], 2).one_hot
