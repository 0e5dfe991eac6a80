"""Networks whose input shape is known only from the data."""

import keras
import numpy as np
import pytest
from keras import layers

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.errors import SpecError
from tests.handler.arch.networks import Subclassed

X, LABELS = np.random.default_rng(0).normal(size=(12, 6)).astype("float32"), np.arange(12) % 3


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
