"""The input arrays of a training as a list."""

import numpy as np
import pytest

from handler.validation.array_list import list_arrays

X = np.zeros((2, 3))


@pytest.mark.parametrize(("given", "count"), [(X, 1), ([X, X], 2), ((X,), 1), ([], 0)])
def test_one_array_or_several_become_a_list(given, count):
    listed = list_arrays(given)
    assert isinstance(listed, list)
    assert len(listed) == count
    assert all(part is X for part in listed)
