"""Trainings of a small network on the `.npz` or `.zarr` file of a folder, stage by stage."""

from __future__ import annotations

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec

SPEC = {
    "name": "far",
    "seed": 4,
    "data": {"source": "points.npz"},
    "model": {"architecture": "mine:network", "compile": {"optimizer": "adam", "metrics": ["accuracy"]}},
    "training": {"epochs": 3, "batch_size": 32},
    "freeze_training": [{"training_interval": [1, 2], "layers": ["first"]}],
}
MODULE = """
import keras
from keras import layers as L


def network():
    i = keras.Input((6,))
    x = L.LayerNormalization(name="first")(i)  # the same bits at any place of a batch, on every processor
    x = L.Dropout(0.3)(L.Dense(8, activation="relu", name="second")(x))
    return keras.Model(i, L.Dense(3, activation="softmax", name="head")(x))
"""


def run_of(folder, store, source, **training):
    spec = parse_spec(SPEC | {"data": {"source": source}, "training": SPEC["training"] | training})
    return TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / store), name="far"))


def trained(folder, store, source, **training):
    run = run_of(folder, store, source, **training)
    plan = run.plan()
    run.begin(plan)
    run.pre_fit()
    for index in range(len(plan.segments)):
        run.train_segment(index)
    return run, run.post_fit()
