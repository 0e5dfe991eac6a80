"""Models and layers of user classes that Keras cannot load from a file, trained from a specification."""

from __future__ import annotations

import numpy as np
import pytest

from handler.run.inputs import RunInputs
from handler.run.trained_model import TrainedModel
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec

MODULE = '''
import keras, numpy as np, tensorflow as tf

X = np.random.default_rng(1).normal(size=(60, 4)).astype("float32")

def data():
    return X, X[:, :3].argmax(axis=1)

class Tripled(keras.layers.Layer):
    def call(self, x):
        return 3 * x

class Steady(keras.Model):
    """Its loss counts half."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = 0.5 * self.compute_loss(x, y, self(x, training=True))
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return {"half": loss}

def network():
    inputs = keras.Input((4,))
    x = Tripled()(keras.layers.Dense(4, activation="tanh", name="low")(inputs))
    return Steady(inputs, keras.layers.Dense(3, activation="softmax", name="head")(x))
'''
SPEC = {
    "data": {"source": "own:data"},
    "model": {"architecture": "own:network"},
    "training": {"epochs": 3, "batch_size": 16},
    "freeze_training": [{"training_interval": [1, 2], "layers": ["low"]}],
}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """Return a function that opens the run in a store with a name."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(MODULE)

    def make(store):
        return TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder / store), name="run"))

    return make


def finished(run):
    plan = run.plan()
    run.begin(plan)
    run.pre_fit()
    for segment in plan.segments:
        run.train_segment(segment.index)
    final = run.post_fit()
    run.report()
    run.mark_completed()
    return final


@pytest.fixture(scope="module")
def whole(run_of):
    """Return the uninterrupted run and its final scores."""
    run = run_of("whole")
    return run, finished(run)


def test_a_finished_run_of_user_classes_predicts_from_its_store(whole):
    run, final = whole
    assert list(final["history"]) == ["half"]
    X = run.live.dataset.X
    asked = TrainedModel(run.store.root, "run")
    assert type(asked.mh.arch.nn).__name__ == "Steady"
    assert np.array_equal(asked.predict(X), run.live.mh.predict(X))


def test_an_interrupted_run_of_user_classes_resumes_bit_identically(whole, run_of):
    begun = run_of("parts")
    begun.begin(begun.plan())
    begun.pre_fit()
    begun.train_segment(0)
    ended, final = finished(run_of("parts")), whole[1]
    assert (ended["weights"], ended["history"]) == (final["weights"], final["history"])
