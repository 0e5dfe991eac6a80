"""Comparison of the names in `keras_names` with those of the installed Keras."""

import inspect

import keras
import pytest
from keras.src import losses, metrics, optimizers

from handler.spec import keras_names
from handler.spec.callback_rules import RULES

REFUSED = {name for name, rule in RULES.items() if rule.refused}


def arguments(cls):
    """Return the arguments of a class as the tables of `keras_names` write them."""
    taken = [
        p
        for p in inspect.signature(cls.__init__).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    return {("*" if p.default is p.empty else "") + p.name for p in taken if p.name != "self"}


def classes(objects, *left_out):
    return {
        name: cls
        for name, cls in objects.items()
        if inspect.isclass(cls) and name == cls.__name__ and name not in left_out
    }


def test_the_table_of_optimizers_matches_keras():
    wrappers = {"lossscaleoptimizer", "multioptimizer", "optimizer", "optimizermap"}
    known = {name: cls for name, cls in optimizers.ALL_OBJECTS_DICT.items() if name not in wrappers}
    assert keras_names.OPTIMIZERS.keys() == known.keys()
    for name, cls in known.items():
        assert {*keras_names.OPTIMIZERS[name].split(), *keras_names.OPTIMIZER_ARGUMENTS} == arguments(cls), name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (keras_names.LOSSES, classes(losses.ALL_OBJECTS_DICT, "Loss", "LossFunctionWrapper")),
        (keras_names.METRICS, classes(metrics.ALL_OBJECTS_DICT, "Metric", "MeanMetricWrapper", "Mean", "Sum")),
        (keras_names.RATE_SCHEDULES, classes(vars(keras.optimizers.schedules), "LearningRateSchedule")),
        (keras_names.CALLBACKS, classes(vars(keras.callbacks), *REFUSED)),
    ],
    ids=["losses", "metrics", "schedules", "callbacks"],
)
def test_the_tables_of_classes_and_arguments_match_keras(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, cls in theirs.items():
        assert set(ours[name].split()) == arguments(cls), name


def test_the_tables_of_short_names_match_keras():
    functions = {name for name, member in losses.ALL_OBJECTS_DICT.items() if not inspect.isclass(member)}
    assert set(keras_names.LOSS_NAMES) == functions
    short = {
        n: c.__name__
        for n, c in metrics.ALL_OBJECTS_DICT.items()
        if n != c.__name__ and c.__name__ in keras_names.METRICS
    }
    assert short == keras_names.METRIC_NAMES
