"""Limits on memory: data that do not fit are refused, and memory that runs out gives one error."""

import pytest

from handler.errors import DataError, ResourcesError
from handler.memory import copy_limit, enough_memory, machine_memory, require_room


class ResourceExhaustedError(Exception):
    """An exception with the name of TensorFlow's."""


@pytest.mark.parametrize("error", [MemoryError("no room"), ResourceExhaustedError("no room\nOOM when allocating")])
def test_memory_that_runs_out_is_one_sentence(error):
    with pytest.raises(ResourcesError, match=r"^fit.*\(no room\).*training\.batch_size") as caught, enough_memory("fit"):
        raise error
    assert "\n" not in str(caught.value)


def test_other_errors_pass_unchanged():
    with pytest.raises(KeyError), enough_memory("fit"):
        raise KeyError("other")


def test_data_larger_than_the_machines_memory_are_refused():
    require_room("data.source", "points.npz", machine_memory())
    with pytest.raises(DataError, match=r"^data\.source: points\.npz takes .* GB"):
        require_room("data.source", "points.npz", machine_memory() + 1)


def test_a_copy_takes_at_most_an_eighth_of_the_memory():
    assert 8 * copy_limit() <= machine_memory() < 8 * (copy_limit() + 1)
