"""The states of a store."""

import pytest

from handler.store.store import Store


@pytest.fixture
def states(tmp_path):
    return Store(tmp_path).states
