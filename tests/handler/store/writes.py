"""Every kind of write to a store, for the kill tests: the content before it, the write, and checks of the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handler.fingerprint.declaration import FileDigests
from handler.records import RunRecord, SegmentRecord
from handler.store.atomic_files import atomic_write, remove_stale_files
from handler.store.store import Store
from handler.store.training_state import TrainingState
from handler.training.data_backup import drop_backup, restore_backup, write_backup

BIG = np.arange(5000, dtype="float32")
X, Y = np.arange(60.0).reshape(20, 3), np.arange(20)


def state(value, **more):
    return TrainingState(1, 0, {"big": BIG, "small": np.full(4, value, "float32")}, {}, {"loss": [value]}, **more)


def value(store, key):
    """Return the small variable of a state, after verifying every byte."""
    read = store.states.read(key)
    assert read.arrays["big"].tobytes() == BIG.tobytes()
    return read.arrays["small"][0]


def flip(folder: Path):
    """Flip a bit in the middle of a directory's largest chunk."""
    file = max((p for p in folder.rglob("c/**/*") if p.is_file()), key=lambda p: p.stat().st_size)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def things_damaged(store):
    """Return the damaged directories as relative paths, e.g. `states/k1`."""
    return {Path(*Path(damage.path).relative_to(store.root).parts[:2]) for damage in store.verify()}


def record(epochs, **more):
    return RunRecord(
        run="mine", key="k0", seed=1, epochs=epochs, training_epochs=2, started="", updated="", spec_folder="", **more
    )


@dataclass
class Write:
    """One kind of write.

    Attributes:
        before: makes the content before the write.
        act: the write; repeating it does no harm.
        old: asserts that the content is that before the write or that after it.
        new: asserts that the content is that after the write.
    """

    before: Callable[[Store], object]
    act: Callable[[Store], object]
    old: Callable[[Store], None]
    new: Callable[[Store], None]


def is_one_of(read, *values):
    def check(store):
        assert read(store) in values

    return check


def _three_states(store):
    store.states.write("k1", state(1.0))
    store.states.write("k2", state(2.0), parent="k1", snapshot=True)
    store.states.write("k3", state(3.0), parent="k1")


def _second_damaged(store):
    _three_states(store)
    flip(store.states.folder("k2"))


def _holder_damaged(store):
    _three_states(store)
    flip(store.states.folder("k1"))


def _collectable(store):
    _three_states(store)
    store.prefit.write("p", {"a": X}, {})
    ended = SegmentRecord(index=0, start=0, end=1, state="k3", source="trained", trained_epochs=1, seconds=0)
    store.runs.write(record(1, state="k3", status="completed", segments=[ended]))


def _dropped(store):
    """Return the second state's value, or None if it is missing. Assert that the first state exists in any case."""
    assert value(store, "k1") == 1.0
    return value(store, "k2") if store.states.folder("k2").exists() else None


def _prefit(store, *, damaged=False):
    store.prefit.write("p", {"a": X}, {"n": 1})
    if damaged:
        flip(store.prefit.folder("p"))


def _prefit_is(store):
    arrays, attrs = store.prefit.read("p")
    assert (arrays["a"].tobytes(), attrs) == (X.tobytes(), {"n": 1})


def _backup_again(store):
    return write_backup(store.backups, X, Y)


def _backup_damaged(store):
    flip(_backup_again(store))


def _backup_restores(store):
    x, y = np.zeros_like(X), np.zeros_like(Y)
    restore_backup(next(store.backups.glob("*.zarr")), x, y)
    assert (x.tobytes(), y.tobytes()) == (X.tobytes(), Y.tobytes())


def _out(store):
    return store.root.parent / "out" / "predicted.npz"


def _write_out(store, text="new"):
    with atomic_write(_out(store)) as beside, beside.open("w") as file:
        file.write(text)


def _learn(store):
    digests = FileDigests(store.root)
    digests.known["file"] = [1, 2, "digest"]
    digests.save()


def _abandoned(store):
    for folder in (store.root, store.root / "states", store.root / "runs" / "mine"):
        place = folder / ".tmp-1-00c0ffee-x"
        (place / "x" / "deep").mkdir(parents=True)
        (place / "x" / "deep" / "file").write_text("half")
    store.states.write("k1", state(1.0))


def _nothing_abandoned(store):
    assert not list(store.root.rglob(".tmp-*"))
    assert value(store, "k1") == 1.0


def _sweep(store):
    store.remove_stale_files()
    remove_stale_files(_out(store).parent)


def _is_one(store):
    assert value(store, "k1") == 1.0


WRITES = {
    "the first state": Write(
        lambda store: None,
        lambda store: store.states.write("k1", state(1.0)),
        lambda store: None,
        is_one_of(lambda store: value(store, "k1"), 1.0),
    ),
    "a state that refers to a snapshot": Write(
        lambda store: store.states.write("k1", state(1.0), snapshot=True),
        lambda store: store.states.write("k2", state(2.0), parent="k1"),
        _is_one,
        is_one_of(lambda store: (value(store, "k2"), store.states.manifest("k1")["snapshot"]), (2.0, False)),
    ),
    "a state that is there": Write(
        _three_states,
        lambda store: store.states.write("k3", state(9.0)),
        is_one_of(lambda store: value(store, "k3"), 3.0),
        is_one_of(lambda store: value(store, "k3"), 3.0),
    ),
    "a state in the place of a damaged one": Write(
        _second_damaged,
        lambda store: store.states.write("k2", state(2.0), parent="k1"),
        is_one_of(lambda store: (value(store, "k1"), value(store, "k3")), (1.0, 3.0)),
        is_one_of(lambda store: value(store, "k2"), 2.0),
    ),
    "a snapshot that is kept": Write(
        _three_states,
        lambda store: store.states.promote_snapshot("k2"),
        is_one_of(lambda store: value(store, "k2"), 2.0),
        is_one_of(lambda store: store.states.manifest("k2")["snapshot"], False),
    ),
    "a snapshot that is dropped": Write(
        _three_states,
        lambda store: store.states.drop_snapshots(["k1", "k2"]),
        is_one_of(_dropped, 2.0, None),
        is_one_of(_dropped, None),
    ),
    "a damaged state quarantined": Write(
        _holder_damaged,
        lambda store: (store.states.quarantine("k3"), store.states.write("k1", state(1.0), snapshot=True)),
        lambda store: None,
        is_one_of(lambda store: (value(store, "k3"), store.states.manifest("k1")["snapshot"]), (3.0, False)),
    ),
    "a pre-fit result": Write(lambda store: None, _prefit, lambda store: None, _prefit_is),
    "a pre-fit result in the place of a damaged one": Write(
        lambda store: _prefit(store, damaged=True),
        lambda store: (store.prefit.read("p"), _prefit(store)),
        lambda store: None,
        _prefit_is,
    ),
    "a backup": Write(lambda store: None, _backup_again, lambda store: None, _backup_restores),
    "a backup in the place of a damaged one": Write(_backup_damaged, _backup_again, lambda store: None, _backup_restores),
    "a backup that is dropped": Write(
        lambda store: None,
        lambda store: drop_backup(_backup_again(store)),
        lambda store: None,
        is_one_of(lambda store: list(store.backups.glob("*.zarr")), []),
    ),
    "a run's record": Write(
        lambda store: store.runs.write(record(1)),
        lambda store: store.runs.write(record(2)),
        is_one_of(lambda store: store.runs.read("mine").epochs, 1, 2),
        is_one_of(lambda store: store.runs.read("mine").epochs, 2),
    ),
    "a file of the user's": Write(
        lambda store: _write_out(store, "old"),
        _write_out,
        is_one_of(lambda store: _out(store).read_text(), "old", "new"),
        is_one_of(lambda store: [(p.name, p.read_text()) for p in _out(store).parent.iterdir()], [("predicted.npz", "new")]),
    ),
    "what is remembered of files": Write(
        lambda store: store.states.write("k1", state(1.0)),
        _learn,
        is_one_of(lambda store: FileDigests(store.root).known, {}, {"file": [1, 2, "digest"]}),
        is_one_of(lambda store: FileDigests(store.root).known, {"file": [1, 2, "digest"]}),
    ),
    "a collection": Write(
        _collectable,
        lambda store: store.collect(),
        is_one_of(lambda store: value(store, "k3"), 3.0),
        is_one_of(lambda store: (store.states.names(), list(store.root.glob("prefit/*"))), (["k1", "k3"], [])),
    ),
    "leftovers swept up": Write(_abandoned, _sweep, _is_one, _nothing_abandoned),
}
