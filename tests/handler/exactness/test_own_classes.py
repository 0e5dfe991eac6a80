"""Models and layers of user classes that Keras cannot load from a file, trained from a specification."""

from __future__ import annotations

import numpy as np
import pytest

from handler.final import TrainedModel
from handler.run import RunInputs, TrainingRun
from handler.spec import parse_spec

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


@pytest.fixture
def run_of(tmp_path):
    (tmp_path / "own.py").write_text(MODULE)

    def make(store):
        return TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(tmp_path), store=str(store), name="run"))

    return make


def finished(run):
    plan = run.plan()
    run.begin(plan)
    run.pre_fit()
    for segment in plan.segments:
        run.train_segment(segment.index)
    final = run.post_fit()
    run.report()
    run.finish()
    return final


def test_a_finished_run_answers_and_an_interrupted_one_ends_as_it_would_have(run_of, tmp_path):
    whole = run_of(tmp_path / "whole")
    final = finished(whole)
    assert list(final["history"]) == ["half"]
    X = whole.live.dataset.X
    asked = TrainedModel(tmp_path / "whole", "run")
    assert type(asked.mh.arch.nn).__name__ == "Steady"
    assert np.array_equal(asked.predict([X]), whole.live.mh.predict(X))
    begun = run_of(tmp_path / "parts")
    begun.begin(begun.plan())
    begun.pre_fit()
    begun.train_segment(0)
    ended = finished(run_of(tmp_path / "parts"))
    assert (ended["weights"], ended["history"]) == (final["weights"], final["history"])
