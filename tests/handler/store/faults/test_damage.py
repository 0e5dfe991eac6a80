"""Every kind of damage at every place in a store is named by `verify` and detected before the damaged data is used."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from handler.errors import DamagedError
from handler.records import RunRecord, SegmentRecord
from handler.store import checksums
from handler.store.store import Store
from handler.store.training_state import TrainingState
from handler.training.data_backup import restore_backup, write_backup

RNG = np.random.default_rng(0)
WIDE = RNG.normal(size=(4_200_000,)).astype("float32")  # two chunks of equal size
X, Y = RNG.integers(0, 255, size=(40, 1 << 20), dtype=np.uint8), np.arange(40)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a store with a state that refers to another, a pre-fit result, a backup and a completed run."""
    store = Store(tmp_path_factory.mktemp("made") / "store")
    for key, parent, number in (("k1", None, 1.0), ("k2", "k1", 2.0)):
        store.states.write(key, TrainingState(1, 0, {"wide": WIDE, "small": np.full(9, number)}), parent=parent)
    store.prefit.write("p", {"a": WIDE}, {})
    write_backup(store.backups, X, Y)
    ended = SegmentRecord(index=0, start=0, end=1, state="k2", source="trained", trained_epochs=1, seconds=0)
    folder = store.runs.folder("mine")
    folder.mkdir(parents=True)
    for file in ("spec.yaml", "history.csv", "report.html", "model.keras"):
        (folder / file).write_text(f"this is {file}, long enough to be cut")
    store.runs.write(
        RunRecord(
            run="mine", status="completed", key="k1", state="k2", seed=1, training_epochs=1, started="", updated="",
            spec_folder="", segments=[ended], prefit=["p"], files=store.runs.digests("mine"),
        )
    )  # fmt: skip
    (store.root / "plans").mkdir()
    for file in ("digests.json", "plans/k1.json"):
        (store.root / file).write_bytes(checksums.with_checksum({"format": 1, "known": {}}))
    assert store.verify() == store.verify("mine") == []
    return store


@pytest.fixture
def store(made, tmp_path):
    """Return a copy of the store to damage."""
    shutil.copytree(made.root, tmp_path / "store", copy_function=_link)
    return Store(tmp_path / "store")


def _link(source, target):
    """Copy a file as a hard link, because large files need not be copied before they are replaced."""
    Path(target).hardlink_to(source)


def chunks(folder):
    return sorted(
        (p for p in folder.rglob("*") if p.is_file() and "c" in p.relative_to(folder).parts), key=lambda p: -p.stat().st_size
    )


def put(file, data):
    file.unlink(missing_ok=True)
    file.write_bytes(data)
    return file


def flip(file, at=None):
    data = bytearray(file.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 1
    return put(file, data)


def swap(folder):
    one, other = chunks(folder)[:2]
    assert one.stat().st_size == other.stat().st_size
    data = one.read_bytes()
    put(one, other.read_bytes())
    return put(other, data)


def edit(folder, **changes):
    file = folder / "manifest.json"
    return put(file, json.dumps({**json.loads(file.read_bytes()), **changes}).encode())


def delete(file):
    file.unlink()
    return file


def of_another(folder):
    """Replace a sealed directory by a copy of another intact one, including its manifest."""
    other = next(p for p in (folder.parent / "k1", folder.parent / "other.zarr") if p.exists() and p != folder)
    shutil.rmtree(folder)
    shutil.copytree(other, folder)
    return folder / "manifest.json"


DAMAGES = {
    "a flipped bit": lambda folder: flip(chunks(folder)[0]),
    "a truncated chunk": lambda folder: put(chunks(folder)[0], chunks(folder)[0].read_bytes()[:-1]),
    "an emptied chunk": lambda folder: put(chunks(folder)[0], b""),
    "a deleted chunk": lambda folder: delete(chunks(folder)[0]),
    "swapped chunks": swap,
    "an unlisted file": lambda folder: put(folder / "more", b""),
    "a deleted description": lambda folder: delete(next(folder.rglob("zarr.json"))),
    "an altered description": lambda folder: flip(next(folder.rglob("zarr.json")), 40),
    "a later format": lambda folder: edit(folder, format=2),
    "an altered manifest": lambda folder: edit(folder, epoch=7, arrays={}),
    "a flipped bit in the manifest": lambda folder: flip(folder / "manifest.json"),
    "an empty manifest": lambda folder: put(folder / "manifest.json", b""),
    "a deleted manifest": lambda folder: delete(folder / "manifest.json"),
    "the manifest of another": of_another,
}


def use_state(store):
    with pytest.raises(DamagedError) as error:
        store.states.read("k2")
    return str(error.value)


def use_prefit(store):
    assert store.prefit.read("p") is None, "it is computed again"
    assert not store.prefit.folder("p").exists(), "and what was damaged is out of use"
    return None


def use_backup(store):
    x, y = np.ones_like(X), np.ones_like(Y)
    with pytest.raises(DamagedError, match=r"in the row order of the training.*the backup stays in") as error:
        restore_backup(the_backup(store), x, y)
    assert (x == 1).all(), "not half restored"
    assert (y == 1).all()
    assert the_backup(store).exists()
    return str(error.value)


def the_backup(store):
    return max(store.backups.glob("*.zarr"), key=lambda p: p.name != "other.zarr")


PLACES = {
    "a state": (lambda store: store.states.folder("k2"), use_state),
    "a state that is referred to": (lambda store: store.states.folder("k1"), use_state),
    "a pre-fit result": (lambda store: store.prefit.folder("p"), use_prefit),
    "a backup": (the_backup, use_backup),
}
# The second state has only one array of its own, which is too small for two chunks.
CASES = [(p, d) for p in PLACES for d in DAMAGES if (p, d) not in [("a state", "swapped chunks"), ("a state that is referred to", "the manifest of another")]]


@pytest.mark.parametrize(("place", "damage"), CASES)
def test_damage_is_named_by_verify_and_detected_before_use(store, place, damage):
    where, use = PLACES[place]
    if damage == "the manifest of another":
        store.prefit.write("other", {"a": Y}, {})
        write_backup(store.backups, Y, Y).rename(store.backups / "other.zarr")
    file = DAMAGES[damage](where(store))
    for damages in (store.verify(), store.verify("mine")):
        assert str(file) in [d.path for d in damages], damages
    said = use(store)
    assert said is None or str(where(store)) in said
    if place.startswith("a state"):
        store.states.quarantine("k2")
        assert not store.states.is_intact("k2"), "what can't be read isn't taken for the furthest state again"


FILES = ["run.json", "spec.yaml", "history.csv", "report.html", "model.keras"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "deleted"])
def test_a_damaged_file_of_a_completed_run_is_named_and_not_used(store, file, damage):
    path = store.runs.folder("mine") / file
    if damage == "deleted":
        path.unlink()
    else:
        {"flipped": flip, "cut": lambda p: put(p, p.read_bytes()[:-9]), "emptied": lambda p: put(p, b"")}[damage](path)
    assert str(path) in [d.path for d in store.verify()]
    if file != "run.json":
        assert str(path) in [d.path for d in store.verify("mine")]
        with pytest.raises(DamagedError, match=file):
            store.runs.file(store.runs.read("mine"), file)
    elif damage != "deleted":
        with pytest.raises(DamagedError, match=r"run.json: .*; train the same specification again"):
            store.runs.read("mine")


def test_a_record_with_a_later_format_is_refused(store):
    edit_record = store.runs.folder("mine") / "run.json"
    record = json.loads(edit_record.read_bytes())
    put(edit_record, checksums.with_checksum({**record, "format": 2}))
    with pytest.raises(DamagedError, match=r"run.json: has format 2, this version reads 1"):
        store.runs.read("mine")


@pytest.mark.parametrize("file", ["digests.json", "plans/k1.json"])
def test_a_damaged_digest_index_or_plan_is_named(store, file):
    assert [d.path for d in (flip(store.root / file, 15), store.verify())[1]] == [str(store.root / file)]


def test_verify_of_one_run_ignores_the_states_of_others(store):
    store.states.write("k9", TrainingState(1, 0, {"small": np.zeros(9)}))
    flip(chunks(store.states.folder("k9"))[0])
    assert store.verify("mine") == []
    assert len(store.verify()) == 1


def test_verify_reports_a_missing_last_state_of_a_run(store):
    shutil.rmtree(store.states.folder("k2"))
    assert [(d.path, d.what) for d in store.verify()] == [(str(store.states.folder("k2")), "is missing; it is the final state of run 'mine'")]


def test_temporary_and_quarantined_directories_are_no_damage(store):
    for part in ("states", "prefit", "backups"):
        for name in (f".tmp-{1}-00000000-x.zarr", ".damaged-00000000-x.zarr"):
            (store.root / part / name / "x.zarr").mkdir(parents=True)
    assert store.verify() == []
