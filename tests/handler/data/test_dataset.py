"""Datasets: their form and their description for the record."""

import numpy as np

from handler.data.dataset import Dataset


def test_a_single_array_becomes_a_list_of_one(arrays):
    x, y = arrays
    data = Dataset(x, y, validation=(x[:3], y[:3]))
    assert [part is x for part in data.X] == [True]
    assert [part.shape for part in data.validation[0]] == [(3, 4)]


def test_the_description_gives_shapes_without_the_example_axis(arrays):
    x, y = arrays
    data = Dataset([x, x[:, :1]], np.stack([y, y], axis=1), validation=(x[:3], y[:3]), class_names=("a", "b"))
    described = data.describe()
    assert described["examples"] == 10
    assert described["inputs"] == [{"shape": [4], "dtype": "float32"}, {"shape": [1], "dtype": "float32"}]
    assert described["target"] == {"shape": [2], "dtype": "int64"}
    assert described["validation"] == 3
    assert described["class_names"] == ["a", "b"]
