"""States are exact, only changed variables are written, and every byte is verified before use."""

import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from handler.errors import DamagedError, StoreError
from handler.store import atomic_dirs
from handler.store.raw_zarr import Chunks
from handler.store.states import StateStore
from handler.store.store import Store
from tests.handler.store.examples import ARRAYS, state_of


@pytest.fixture
def states(tmp_path):
    return Store(tmp_path).states


def test_a_state_is_read_back_bit_identically(states):
    states.write("k1", state_of(**ARRAYS), metadata={"found": {}, "environment": {}})
    read = states.read("k1")
    assert list(read.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read.arrays[name].dtype == array.dtype
        assert read.arrays[name].shape == array.shape
        assert read.arrays[name].tobytes() == array.tobytes()
    assert read.callbacks == {"0:X": {"wait": 1, "best": float("inf")}}
    assert repr(read.history) == repr({"loss": [0.1, 1e-40, float("nan")]})


def test_a_state_stores_only_variables_changed_since_its_parent(states):
    big, small = np.zeros(10**6, "float32"), np.ones(10, "float32")
    states.write("k1", state_of(a=big, b=small), snapshot=True)
    states.write("k2", state_of(a=big, b=small + 1), parent="k1")
    states.write("k3", state_of(a=big, b=small + 2), parent="k2")
    sizes = {key: states.manifest(key)["files"] for key in ("k1", "k2", "k3")}
    assert sum(f["size"] for f in sizes["k1"]) > 4 * 10**6
    assert sum(f["size"] for f in sizes["k3"]) < 10**4
    assert states.referenced_keys("k3") == {"k1"}, "not to the chain, but to the state that holds it"
    assert states.read("k3").arrays["a"].tobytes() == big.tobytes()
    assert not states.manifest("k1")["snapshot"], "a state that is referred to is kept"


def test_a_flipped_bit_is_detected_when_the_state_is_read(states):
    states.write("k1", state_of(**ARRAYS))
    chunk = next(p for p in states.folder("k1").rglob("*") if p.is_file() and "/c/" in str(p))
    data = bytearray(chunk.read_bytes())
    data[5] ^= 1
    chunk.write_bytes(data)
    assert states.is_intact("k1"), "sizes are right"
    with pytest.raises(DamagedError, match="the bytes of model/0000 kernel don't match"):
        states.read("k1")


def test_a_state_without_its_parent_is_not_intact(states):
    states.write("k1", state_of(a=np.zeros(9)))
    states.write("k2", state_of(a=np.zeros(9)), parent="k1")
    assert states.is_intact("k2")
    states.remove("k1")
    assert not states.is_intact("k2")


def test_a_state_under_another_name_is_refused(states):
    states.write("k1", state_of(a=np.zeros(9)))
    states.folder("k1").rename(states.folder("k2"))
    with pytest.raises(DamagedError, match=r"manifest.json: is the manifest of k1"):
        states.manifest("k2")


def test_only_snapshots_are_dropped(states):
    for key, snapshot in (("k1", False), ("k2", True), ("k3", True)):
        states.write(key, state_of(a=np.zeros(3)), snapshot=snapshot)
    states.promote_snapshot("k3")
    states.drop_snapshots(["k1", "k2", "k3", "nowhere"])
    assert states.names() == ["k1", "k3"]


# States that refer to one another


BIG = np.arange(3000, dtype="float32")


def chain_of_three(states):
    """Write `k1`, which holds `big`, and `k2` and `k3`, which refer to it; each has its own `small`."""
    for key, parent, number in (("k1", None, 1.0), ("k2", "k1", 2.0), ("k3", "k2", 3.0)):
        states.write(key, state_of(big=BIG, small=np.full(3, number)), parent=parent)


def flip(states, key):
    file = max((p for p in states.folder(key).rglob("*") if p.is_file() and "/c/" in str(p)), key=lambda p: p.stat().st_size)
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    return file


def test_a_damaged_referenced_state_written_again_repairs_its_referrers(states):
    chain_of_three(states)
    flip(states, "k1")
    with pytest.raises(DamagedError, match=r"k1/variables.zarr: the bytes of big don't match"):
        states.read("k3")
    states.quarantine("k3")
    assert states.names() == ["k2", "k3"], "the one that is damaged is out of use"
    assert [states.is_intact(key) for key in ("k2", "k3")] == [False, False]
    with pytest.raises(DamagedError, match=r"states/k1: is missing; k3 refers to it"):
        states.read("k3")
    states.write("k1", state_of(small=np.full(3, 1.0), extra=np.ones(9), big=BIG), snapshot=True)
    assert states.read("k3").arrays["big"].tobytes() == BIG.tobytes(), "wherever it lies there now"
    assert states.read("k2").arrays["small"][0] == 2.0
    states.drop_snapshots(["k1"])
    assert states.is_intact("k3"), "what others may refer to is kept"


def test_a_state_trained_again_may_refer_to_an_earlier_state(states):
    chain_of_three(states)
    states.remove("k1")
    states.write("k0", state_of(big=BIG))
    states.write("k1", state_of(big=BIG, small=np.full(3, 1.0)), parent="k0")
    assert states.referenced_keys("k3") == {"k1", "k0"}
    assert states.read("k3").arrays["big"].tobytes() == BIG.tobytes()
    flip(states, "k0")
    with pytest.raises(DamagedError, match=r"k0/variables.zarr: the bytes of big"):
        states.read("k3")


def test_a_state_trained_again_differently_repairs_no_referrer(states):
    chain_of_three(states)
    states.remove("k1")
    states.write("k1", state_of(big=BIG + 1, small=np.full(3, 1.0)))
    assert not states.is_intact("k3")
    with pytest.raises(DamagedError, match=r"states/k1: no longer contains big, to which k3 refers"):
        states.read("k3")


def test_a_damaged_state_is_replaced_by_one_without_broken_references(states):
    chain_of_three(states)
    states.remove("k1")
    states.write("k3", state_of(big=BIG, small=np.full(3, 3.0)))
    assert states.referenced_keys("k3") == set()
    assert states.read("k3").arrays["big"].tobytes() == BIG.tobytes()


def test_a_state_repaired_by_another_process_is_not_quarantined(states):
    chain_of_three(states)
    states.quarantine("k3")
    assert states.names() == ["k1", "k2", "k3"]


def test_a_state_written_with_wrong_bytes_is_quarantined(states, monkeypatch):
    real = Chunks.append
    monkeypatch.setattr(Chunks, "append", lambda self, part: real(self, part * 0 if part.size == 72 else part))
    states.write("k1", state_of(a=np.ones(9)))
    monkeypatch.undo()
    assert states.damages("k1", deep=True) == [], "its files are as they were written"
    with pytest.raises(DamagedError, match="the bytes of a don't match"):
        states.read("k1")
    states.quarantine("k1")
    assert states.names() == []


def test_a_promoted_state_keeps_the_states_that_it_refers_to(states):
    states.write("k1", state_of(a=BIG), snapshot=True)
    states.write("k2", state_of(a=BIG), parent="k1", snapshot=True)
    atomic_dirs.update_manifest(states.folder("k1"), snapshot=True)
    assert states.promote_snapshot("k2")
    states.drop_snapshots(["k1", "k2"])
    assert states.read("k2").arrays["a"].tobytes() == BIG.tobytes()
    assert not states.promote_snapshot("k9"), "one that was dropped meanwhile can't be kept"


def test_writing_a_state_promotes_an_equal_snapshot(states):
    states.write("k1", state_of(a=BIG), snapshot=True)
    states.write("k1", state_of(a=BIG))
    states.drop_snapshots(["k1"])
    assert states.is_intact("k1")


def test_a_snapshot_dropped_during_its_promotion_is_written_again(states, monkeypatch):
    states.write("k1", state_of(a=BIG), snapshot=True)
    keep, dropped = StateStore.promote_snapshot, []

    def late(self, key):
        if not dropped:
            dropped.append(key)
            states.drop_snapshots([key])
        return keep(self, key)

    monkeypatch.setattr(StateStore, "promote_snapshot", late)
    states.write("k1", state_of(a=BIG))
    assert dropped == ["k1"]
    assert states.read("k1").arrays["a"].tobytes() == BIG.tobytes()
    assert not states.manifest("k1")["snapshot"]


def test_concurrent_promotion_and_removal_leave_no_partial_state(states):
    """A state that one process keeps and another drops, repeatedly, is complete or absent in either order."""
    code = f"""
        from handler.store import Store
        states = Store({str(states.root.parent)!r}).states
        print("ready", flush=True)
        for turn in range(30):
            input()
            states.drop_snapshots(["k1"])
            print("done", flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == "ready\n"
        kept = 0
        for turn in range(30):
            states.write("k1", state_of(a=BIG), snapshot=True)
            other.stdin.write("\n")
            other.stdin.flush()
            time.sleep(turn * 0.0001)
            is_kept = states.promote_snapshot("k1")
            other.stdout.readline()
            assert states.is_intact("k1") == is_kept
            kept += is_kept
            states.remove("k1")
        other.stdin.close()
    assert not [p for p in states.root.iterdir() if not p.name.startswith(".damaged")]


def test_a_memory_error_is_no_damage(states, monkeypatch):
    states.write("k1", state_of(a=BIG))

    def full(path, mode):
        raise MemoryError

    monkeypatch.setattr("zarr.open_array", full)
    with pytest.raises(MemoryError):
        states.read("k1")


def test_an_unreadable_file_is_no_damage(states, monkeypatch):
    states.write("k1", state_of(a=BIG))

    def refused(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.read_bytes", refused)
    os.utime(states.folder("k1") / "manifest.json")  # its content in this process's memory is not used any more
    with pytest.raises(StoreError, match=r"manifest.json: can't be read \(Permission denied\)") as error:
        states.is_intact("k1")
    assert not isinstance(error.value, DamagedError)
