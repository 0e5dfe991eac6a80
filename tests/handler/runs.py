"""A small training from a specification, and a function that runs its stages as the flow does."""

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from tests.handler.conftest import Epochs

MODULE = '''
import keras
import numpy as np
from keras import layers as L


def data(n=200, shift=0.0):
    r = np.random.default_rng(5)
    x = r.normal(size=(n, 6)).astype("float32") + shift
    return x, x[:, :3].argmax(axis=1).astype("int64")


def files():
    x = np.load(__file__.replace("mine.py", "x.npy"))
    return x, x[:, :3].argmax(axis=1).astype("int64")


def network(width=8):
    i = keras.Input((6,))
    x = L.BatchNormalization(name="norm")(L.Dense(width, activation="relu", name="first")(i))
    x = L.Dropout(0.3, name="drop")(L.Dense(width, activation="relu")(x))
    return keras.Model(i, L.Dense(3, activation="softmax", name="head")(x))
'''
SPEC = {
    "name": "mine",
    "seed": 4,
    "data": {"source": "mine:data"},
    "model": {"architecture": "mine:network",
              "compile": {"optimizer": {"name": "adam", "learning_rate": 0.01}, "metrics": ["accuracy"]}},
    "training": {"epochs": 6, "batch_size": 32},
    "freeze_training": [{"training_interval": [1, 3], "layers": ["first", "norm"]},
                        {"training_interval": [3, 5], "layers": "all", "strategy": {"name": "round_robin"}, "initial_learning_rate": 0.02}],
}  # fmt: skip


def trains_in(folder):
    """Return a function that trains a specification as the flow does.

    It returns the final scores, the records of the segments and the observer.
    """

    def go(changes=None, store="store", **inputs):
        spec = parse_spec({**SPEC, **(changes or {})})
        run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / store), name=spec.name, **inputs))
        watch = Epochs()
        run.observers.append(watch)
        plan = run.plan()
        run.begin(plan)
        records = []
        for segment in plan.segments:
            records.append(run.train_segment(segment.index))
            if records[-1].stopped:
                break
        final = run.post_fit()
        run.report()
        run.mark_completed()
        return final, records, watch

    return go
