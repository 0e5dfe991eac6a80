"""The examples are usable as they are."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from handler.freezing.model_outline import outline
from handler.schedule.schedule import compute_schedule
from handler.spec.reader import load_spec

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def keras_model():
    module_spec = importlib.util.spec_from_file_location("keras_model_example", EXAMPLES / "keras_model.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["lidar", "keras_model"])
def test_an_example_is_a_specification_with_every_strategy(name):
    spec, folder = load_spec(EXAMPLES / f"{name}.yaml")
    assert folder == EXAMPLES.resolve()
    assert {entry.strategy.name for entry in spec.freeze_training} == {"fixed", "round_robin", "random"}
    assert any(entry.initial_learning_rate for entry in spec.freeze_training)


def test_the_schedule_of_the_keras_example_fits_its_network(keras_model):
    spec, _ = load_spec(EXAMPLES / "keras_model.yaml")
    layers = outline(keras_model.network(**spec.model.args))
    schedule = compute_schedule(spec.freeze_training, spec.training.epochs, layers)
    assert [(s.start, s.end) for s in schedule.segments] == [
        (0, 2),
        (2, 4),
        (4, 6),
        (6, 7),
        (7, 8),
        (8, 9),
        (9, 10),
        (10, 12),
        (12, 14),
    ]
    assert set(layers.paths) - set(schedule.frozen(13)) == {"head_dense", "head"}
    assert all(len(set(layers.paths) - set(schedule.frozen(epoch))) == 4 for epoch in range(6, 10))


def test_the_data_of_the_keras_example_is_a_function_of_its_seed(keras_model):
    one, two, other = (keras_model.images(examples=40, held_out=10, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], other[0])
    assert [part.shape[0] for part in one] == [40, 40, 10, 10]
