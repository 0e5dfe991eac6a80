"""The fields of an entry: accepted values, and values that are refused with their path."""

import numpy as np
import pytest

from handler.schedule.entries import Entry
from handler.schedule.schedule import compute_schedule
from tests.handler.schedule.conftest import refused


def test_a_single_entry_is_accepted_without_a_list():
    entry = {"layers": ["a"], "training_interval": [1, 2]}
    assert compute_schedule(entry, 3) == compute_schedule([entry], 3) == compute_schedule(Entry(**entry), 3)


def test_numpy_scalars_are_accepted():
    entry = {
        "training_interval": (np.int64(1), np.int32(3)),
        "layers": ("a", "b"),
        "initial_learning_rate": np.float32(0.5),
        "strategy": {"name": "random", "period": np.int64(2)},
    }
    assert compute_schedule(entry, np.int64(4)).as_lists()[0] == [1, 3]


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ([0, 11], "does not fit into 10 training epochs"),
        ([10, 11], "does not fit"),
        ([3, 3], "is not an interval"),
        ([5, 2], "is not an interval"),
        ([-1, 2], "is not an interval"),
        ([0.0, 2], "two whole numbers"),
        ([True, 3], "two whole numbers"),
        ([1], "two whole numbers"),
        ("0-3", "two whole numbers"),
        ([0, float("inf")], "two whole numbers"),
        (5, "two whole numbers"),
    ],
)
def test_an_invalid_interval_is_refused(interval, text):
    entries = [{"layers": ["z"], "training_interval": [0, 0 + 1]}, {"layers": ["a"], "training_interval": interval}]
    refused(entries, "freeze_training[1].training_interval", text)


@pytest.mark.parametrize(
    ("strategy", "path", "text"),
    [
        ("roundrobin", ".name", "unknown name 'roundrobin'; did you mean 'round_robin'"),
        ({"name": "fixed", "period": 2}, ".period", "unknown key; known are: name"),
        ({"name": "round_robin", "seed": 2}, ".seed", "unknown key"),
        ({"name": "round_robin", "perod": 2}, ".perod", "did you mean 'period'"),
        ({"period": 2}, ".name", "is missing"),
        ({"name": "random", "count": 3}, ".count", "3 layer groups per turn can't be chosen from 2; give at most 2"),
        ({"name": "random", "count": 0}, ".count", "must be at least 1, not 0"),
        ({"name": "random", "period": 1.0}, ".period", "must be a whole number, not 1.0"),
        ({"name": "random", "period": True}, ".period", "must be a whole number, not true"),
        ({"name": "random", "seed": -1}, ".seed", "must be at least 0, not -1"),
        ({"name": "random", "seed": float("nan")}, ".seed", "must be a whole number, not nan"),
        ({"name": "random", "invert": 1}, ".invert", "must be true or false, not 1"),
        (7, "", "must be 'fixed' or a mapping with a name, not 7"),
    ],
)
def test_an_invalid_strategy_is_refused(strategy, path, text):
    refused({"layers": ["a", "b"], "strategy": strategy}, f"freeze_training[0].strategy{path}", text)


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), "0.1", True])
def test_a_rate_that_is_not_positive_and_finite_is_refused(rate):
    refused(
        {"layers": ["a"], "initial_learning_rate": rate}, "freeze_training[0].initial_learning_rate", "must be .*, not"
    )


@pytest.mark.parametrize(
    ("entry", "path", "text"),
    [
        ({"layer": ["a"]}, "[0].layer", "did you mean 'layers'"),
        ({"layers": []}, "[0].layers", "the list is empty"),
        ({"layers": [[]]}, "[0].layers[0]", "the layer group is empty"),
        ({"layers": "conv"}, "[0].layers", "for one layer write \\[conv\\]"),
        ({"layers": [3]}, "[0].layers[0]", "must be a layer's name"),
        ({"layers": [["a", ["b"]]]}, "[0].layers[0][1]", "must be a layer's name"),
        ({"layers": {"a": 1}}, "[0].layers", "must be 'all', 'all_reverse' or a list"),
        ({"layers": [""]}, "[0].layers[0]", "can't be a layer's name"),
        ({"layers": ["a", "a"]}, "[0].layers", "the layer 'a' is in two layer groups"),
        ({"layers": ["a"], "except": 3}, "[0].except", "must be a list of names"),
        ("a", "", "must be null, one entry or a list"),
        ([None], "[0]", "must be a mapping of keys to values, not null"),
    ],
)
def test_an_invalid_entry_is_refused(entry, path, text):
    refused(entry, f"freeze_training{path}", text)


@pytest.mark.parametrize("epochs", [-1, 2.0, True, None, "3"])
def test_epochs_other_than_whole_numbers_are_refused(epochs):
    refused(None, "training_epochs", "must be a whole number", epochs=epochs)
