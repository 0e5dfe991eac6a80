"""Targets, losses and outputs that fit each other, and others, which are refused before the first step."""

import keras
import numpy as np
import pytest
from keras import layers

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.engine.losses import BINARY, CLASSES, NUMBERS, ONE_HOT, classify_loss, is_one_hot
from handler.engine.sequencer import DLSequencer
from handler.engine.target_check import check_targets
from handler.errors import DataError, FrostlineError, SpecError

SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"
LABELS, ONES = np.arange(12) % 3, np.eye(3)[np.arange(12) % 3]


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


def test_a_sequencer_detects_one_hot_targets_by_their_dtype():
    y = np.eye(3)[[0, 1]]
    assert DLSequencer(y, y, 2).one_hot
    assert not DLSequencer(y, y.astype("uint8"), 2).one_hot
    assert not DLSequencer(y, y[:, 0], 2).one_hot


def functional(units=3, inputs=1, outputs=1):
    keras.utils.set_random_seed(1)
    given = [keras.Input((6,)) for _ in range(inputs)]
    x = layers.Dense(8)(layers.Concatenate()(given) if inputs > 1 else given[0])
    made = [layers.Dense(units, activation="softmax" if units > 1 else "sigmoid")(x) for _ in range(outputs)]
    return keras.Model(given if inputs > 1 else given[0], made if outputs > 1 else made[0])


class Subclassed(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.first, self.head = layers.Dense(8), layers.Dense(units, activation="softmax")

    def call(self, inputs):
        return self.head(self.first(inputs))


X = np.random.default_rng(0).normal(size=(12, 6)).astype("float32")


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


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (lambda: keras.Sequential([layers.Dense(8, name="body"), layers.Dense(3, activation="softmax")]), X),
        (Subclassed, X),
        (lambda: keras.Sequential([layers.Embedding(9, 4, name="body"), layers.Flatten(), layers.Dense(3)]), np.ones((12, 5), "int32")),
        (lambda: Several(), [X, X[:, :2]]),
    ],
    ids=["sequential", "subclassed", "whole numbers", "several inputs"],
)  # fmt: skip
def test_an_unbuilt_network_is_built_from_the_data(make, given, tmp_path):
    trained = []
    for entries in (None, [{"layers": ["body" if not isinstance(make(), Subclassed) else "dense"]}]):
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(3)
        mh = DLModelHandler(KerasArchitecture(make()), optimizer="sgd", training_epochs=1, batch_size=5)
        history = DLTrainingHandler(entries, store=tmp_path / str(len(trained)))(mh, given, LABELS, [])
        trained.append(history.history["loss"])
    assert trained[0] != trained[1], "a layer of it was frozen"


class Several(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.body, self.head = layers.Dense(8, name="body"), layers.Dense(3, activation="softmax")

    def call(self, inputs):
        return self.head(keras.ops.concatenate([self.body(inputs[0]), inputs[1]], axis=-1))


def test_a_network_that_cannot_be_built_is_refused_with_remedies():
    def narrow():
        return keras.Sequential([layers.Reshape((7,)), layers.Dense(3)], name="narrow")

    with pytest.raises(
        SpecError, match=r"arch: the network 'narrow' .* shape \(6,\) .* give it a keras.Input, or call it"
    ):
        DLTrainingHandler()(DLModelHandler(KerasArchitecture(narrow)), X, LABELS, [])
