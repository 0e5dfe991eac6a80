"""Writes to a disk that is full, broken, limited or another user's fail with one sentence and leave the store valid."""

import os
import shutil

import numpy as np
import pytest

from handler.errors import StoreError
from handler.store import atomic_dirs, atomic_files
from handler.store.store import Store
from handler.store.training_state import TrainingState
from tests.handler.store.writes import WRITES, state, things_damaged, value

SENTENCE = {
    "full": "(No space left on device); make room on that disk",
    "broken": "(Input/output error); the disk fails",
    "limited": "(File too large); this process may not write a file of that size",
    "stranger": "(Permission denied); this user may not write there",
}
# Failures of these are not reported, because they cost nothing: a cache, and removals, repeated at the next start.
QUIET = ("what is remembered of files", "leftovers swept up", "a backup that is dropped")


def refused(error, fault, store):
    """Return whether the write was refused. Assert that the error is one sentence with a path and a remedy."""
    if not error:
        return False
    assert error.startswith(f"StoreError: {store.root.parent}"), error
    assert SENTENCE[fault] in error
    assert "\n" not in error
    return True


ROOM = [("full", "a collection"), ("full", "a snapshot that is dropped"), ("full", "leftovers swept up")]
EVERY = [("full", write) for write in WRITES if write != "a state that is there"]
SOME = ["a state that refers to a snapshot", "a snapshot that is dropped", "a run's record", "a file of the user's", "a collection"]


@pytest.mark.parametrize(("fault", "write"), [*EVERY, *(("broken", write) for write in SOME)])
def test_a_disk_that_fails_at_any_step_leaves_the_previous_content(write, fault, faulty, memory):
    kind = WRITES[write]
    kind.before(Store(memory / "before" / "store"))
    damaged = things_damaged(Store(memory / "before" / "store"))
    refusals, step, ended = 0, 0, {"happened": True}
    while ended["happened"]:
        folder = memory / str(step)
        shutil.copytree(memory / "before", folder) if (memory / "before").exists() else folder.mkdir()
        store = Store(folder / "store")
        ended = faulty(write, store, fault, step)
        kind.old(store)
        assert things_damaged(store) <= damaged, step
        if fault == "full" and write != "leftovers swept up":
            assert not list(folder.rglob(".tmp-*")), "nothing is left where removals work"
        store.remove_stale_files()
        atomic_files.remove_stale_files(folder / "out")
        if refused(ended["error"], fault, store):
            refusals += 1
        elif write not in QUIET or not ended["happened"]:
            kind.new(store)
        step += 1
    kind.act(store)
    kind.new(store)
    assert store.verify() == []
    assert step > 3
    if (fault, write) in ROOM:
        assert refusals == 0, "room can be made on a full disk"
    else:
        assert refusals >= 2 or write in QUIET


@pytest.mark.parametrize("size", [10, 700, 3000])
def test_a_write_beyond_a_size_limit_leaves_no_files(size, faulty, memory):
    """A manifest or data beyond a real limit of the system, which needs no privilege, fails and leaves no files."""
    store = Store(memory / "store")
    store.states.write("k0", state(0.0))
    ended = faulty("the first state", store, "limited", size)
    assert refused(ended["error"], "limited", store)
    assert value(store, "k0") == 0.0
    assert store.states.names() == ["k0"]
    assert not list(memory.rglob(".tmp-*"))
    assert store.verify() == []


@pytest.mark.parametrize("write", ["a run's record", "a file of the user's", "a snapshot that is kept"])
def test_a_file_beyond_a_size_limit_leaves_the_previous_file(write, faulty, memory):
    kind, store = WRITES[write], Store(memory / "store")
    kind.before(store)
    ended = faulty(write, store, "limited", 2)
    assert refused(ended["error"], "limited", store)
    kind.old(store)
    assert store.verify() == []
    with pytest.raises(AssertionError):
        kind.new(store)


def test_a_write_to_a_full_device_leaves_no_files(memory):
    """A write to /dev/full, a real device that refuses every byte, fails and leaves no files."""
    store = Store(memory / "store")

    def fill(folder):
        (folder / "file").symlink_to("/dev/full")
        with (folder / "file").open("w") as file:
            file.write("x")

    with pytest.raises(StoreError, match=r"x: can't be written \(No space left on device\); make room"):
        atomic_dirs.commit_dir(store.root / "x", {}, fill)
    assert list(store.root.iterdir()) == []


WRITABLE = ("a state that is there", "a pre-fit result in the place of a damaged one", "leftovers swept up", *QUIET)


@pytest.mark.parametrize("write", [write for write in WRITES if write not in WRITABLE])
def test_a_refused_store_of_another_user_stays_unchanged(write, faulty, memory):
    kind, store = WRITES[write], Store(memory / "store")
    (memory / "out").mkdir()
    store.root.mkdir()
    kind.before(store)
    damaged = things_damaged(store)
    for folder in (memory, *(p for p in memory.rglob("*") if p.is_dir())):
        folder.chmod(0o555)
    listed = sorted(p for p in memory.rglob("*"))
    ended = faulty(write, store, "stranger")
    assert refused(ended["error"], "stranger", store)
    assert sorted(p for p in memory.rglob("*")) == listed
    assert things_damaged(store) == damaged
    for folder in (memory, *listed):
        if folder.is_dir():
            folder.chmod(0o755)


def test_an_array_that_cannot_be_written_leaves_no_state(memory, monkeypatch):
    store = Store(memory)
    store.states.write("k1", state(1.0))

    def full(array):
        raise MemoryError("Unable to allocate 1 TiB")

    monkeypatch.setattr(np, "ascontiguousarray", full)
    with pytest.raises(MemoryError):
        store.states.write("k2", TrainingState(1, 0, {"a": np.ones(3)}))
    monkeypatch.undo()
    assert store.states.names() == ["k1"]
    assert not list(memory.rglob(".tmp-*"))


def test_a_lock_file_that_cannot_be_opened_is_a_store_error(memory):
    runs = Store(memory / "store").runs
    runs.root.mkdir(parents=True)
    runs.folder("mine").write_text("in its way")
    with pytest.raises(StoreError, match=r"runs/mine/lock: can't be written"), runs.lock("mine"):
        pass
    runs.folder("mine").unlink()
    runs.folder("mine").mkdir(mode=0o555)
    if os.geteuid() != 0:
        with pytest.raises(StoreError, match=r"runs/mine/lock: can't be written \(Permission denied\)"), runs.lock("mine"):
            pass


def test_a_read_only_lock_file_shows_whether_a_run_is_alive(memory):
    runs = Store(memory / "store").runs
    with runs.lock("mine"):
        (runs.folder("mine") / "lock").chmod(0o444)
        assert runs.is_alive("mine")
    assert not runs.is_alive("mine")
