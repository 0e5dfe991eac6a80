"""States: exact, only what changed is written, every byte verified before use."""

import ml_dtypes
import numpy as np
import pytest

from handler.errors import DamagedError
from handler.state import TrainingState
from handler.store import Store


@pytest.fixture
def states(tmp_path):
    return Store(tmp_path).states


def state_of(**arrays):
    return TrainingState(
        3, 0, dict(arrays), {"0:X": {"wait": 1, "best": float("inf")}}, {"loss": [0.1, 1e-40, float("nan")]}, False
    )


ARRAYS = {
    "model/0000 kernel": np.arange(12, dtype="float32").reshape(3, 4),
    "model/0001 half": np.array([1.5, -0.0], "float16"),
    "model/0002 brain": np.array([1.5, 2.5], ml_dtypes.bfloat16),
    "model/0003 seed": np.array([7, 2**32 - 1], "uint32"),
    "optimizer/0000 iteration": np.array(2**40, "int64"),
    "optimizer/0001 flag": np.array([True, False]),
    "optimizer/0002 empty": np.zeros((0, 3), "float32"),
}


def test_a_state_reads_back_to_the_bit(states):
    states.write("k1", state_of(**ARRAYS), about={"found": {}, "environment": {}})
    read = states.read("k1")
    assert list(read.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read.arrays[name].dtype == array.dtype
        assert read.arrays[name].shape == array.shape
        assert read.arrays[name].tobytes() == array.tobytes()
    assert read.callbacks == {"0:X": {"wait": 1, "best": float("inf")}}
    assert repr(read.history) == repr({"loss": [0.1, 1e-40, float("nan")]})


def test_only_what_changed_since_the_parent_is_written(states):
    big, small = np.zeros(10**6, "float32"), np.ones(10, "float32")
    states.write("k1", state_of(a=big, b=small), snapshot=True)
    states.write("k2", state_of(a=big, b=small + 1), parent="k1")
    states.write("k3", state_of(a=big, b=small + 2), parent="k2")
    sizes = {key: states.manifest(key)["files"] for key in ("k1", "k2", "k3")}
    assert sum(f["size"] for f in sizes["k1"]) > 4 * 10**6
    assert sum(f["size"] for f in sizes["k3"]) < 10**4
    assert states.references("k3") == {"k1"}, "not to the chain, but to the state that holds it"
    assert states.read("k3").arrays["a"].tobytes() == big.tobytes()
    assert not states.manifest("k1")["snapshot"], "a state that is referred to is kept"


def test_a_flipped_bit_is_found_when_the_state_is_read(states):
    states.write("k1", state_of(**ARRAYS))
    chunk = next(p for p in states.folder("k1").rglob("*") if p.is_file() and "/c/" in str(p))
    data = bytearray(chunk.read_bytes())
    data[5] ^= 1
    chunk.write_bytes(data)
    assert states.intact("k1"), "sizes are right"
    with pytest.raises(DamagedError, match="the bytes of model/0000 kernel don't match"):
        states.read("k1")


def test_a_state_without_its_parents_file_is_not_intact(states):
    states.write("k1", state_of(a=np.zeros(9)))
    states.write("k2", state_of(a=np.zeros(9)), parent="k1")
    assert states.intact("k2")
    states.remove("k1")
    assert not states.intact("k2")


def test_a_state_under_another_name_is_refused(states):
    states.write("k1", state_of(a=np.zeros(9)))
    states.folder("k1").rename(states.folder("k2"))
    with pytest.raises(DamagedError, match="says it is k1"):
        states.manifest("k2")


def test_snapshots_are_dropped_and_kept_states_are_not(states):
    for key, snapshot in (("k1", False), ("k2", True), ("k3", True)):
        states.write(key, state_of(a=np.zeros(3)), snapshot=snapshot)
    states.keep("k3")
    states.drop_snapshots(["k1", "k2", "k3", "nowhere"])
    assert states.names() == ["k1", "k3"]


def test_states_within_an_epoch_are_found_in_order(states):
    for step in (2, 10, 1):
        states.write(f"k-step-{step}", state_of(a=np.zeros(3)), snapshot=True)
    assert states.within("k") == [(1, "k-step-1"), (2, "k-step-2"), (10, "k-step-10")]
