"""Operations on the tables of neighbours, example by example."""

import numpy as np

from handler.arch.neighbourhoods import GatherPoints, NeighbourhoodMax

VALUES = np.arange(2 * 4 * 1, dtype="float32").reshape(2, 4, 1)


def test_gathering_follows_the_table_of_each_example():
    gathered = GatherPoints()([VALUES, np.array([[3, 0], [1, 1]], "int32")])
    np.testing.assert_array_equal(np.asarray(gathered)[..., 0], [[3, 0], [5, 5]])


def test_the_neighbourhood_maximum_follows_the_table_of_each_example():
    largest = NeighbourhoodMax()([VALUES, np.array([[[0, 1], [2, 3]], [[0, 0], [3, 1]]], "int32")])
    np.testing.assert_array_equal(np.asarray(largest)[..., 0], [[1, 3], [4, 7]])
