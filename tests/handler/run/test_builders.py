"""The networks of a specification."""

import random
import threading

import numpy as np
import pytest

from handler.data.dataset import DataShape
from handler.errors import SpecError
from handler.run.builders import build_architecture
from handler.spec.reader import parse_spec
from tests.handler.runs import MODULE, SPEC


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    return tmp_path


def test_random_draws_of_other_threads_do_not_change_a_network(folder):
    done = threading.Event()

    def draw():
        while not done.is_set():
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        built = [build_architecture(parse_spec(SPEC), folder, DataShape(())).nn.get_weights() for _ in range(3)]
    finally:
        done.set()
        thread.join()
    assert all(np.array_equal(a, b) for other in built[1:] for a, b in zip(built[0], other, strict=True))


def test_a_function_that_returns_no_network_is_refused(folder):
    spec = parse_spec({**SPEC, "model": {"architecture": "mine:data"}})
    with pytest.raises(SpecError, match=r"^model.architecture: 'mine:data' returned tuple; it must return a keras.Model"):
        build_architecture(spec, folder, DataShape(()))


def test_a_shipped_network_needs_receptive_fields(folder):
    spec = parse_spec({**SPEC, "model": {"architecture": "pointnet"}})
    with pytest.raises(SpecError, match=r"^model.architecture: 'pointnet' takes receptive fields .*; this data has \[\[6\]\]"):
        build_architecture(spec, folder, DataShape((((6,), "float32"),)))
