"""States and files of a run are rebuilt bit-identically."""

import shutil

import pytest

from handler.repair.store_repair import repair_store
from handler.store.checksums import digest_file
from tests.faults import damages


def contents(store):
    """Return the digest of every file of the states and the run, except the record and files that contain times."""
    files = [p for area in ("states", "runs") for p in (store.root / area).rglob("*") if p.is_file()]
    kept = [p for p in files if ".damaged-" not in str(p) and p.name not in ("run.json", "lock", "report.html", "model.keras")]
    return {str(p.relative_to(store.root)): digest_file(p) for p in kept}


def chunk(store, epoch):
    return damages.chunk(store.states.folder(store.runs.read("run").chain[epoch]))


HOLES = {
    "the first state is gone": ((0, "deleted"),),
    "a state that later ones refer to is flipped": ((1, "flipped"),),
    "two states in a row": ((2, "deleted"), (3, "flipped")),
    "all states but the last": ((0, "deleted"), (1, "deleted"), (2, "flipped"), (3, "deleted")),
    "the last state": ((4, "truncated"),),
}


@pytest.mark.parametrize("holes", HOLES.values(), ids=HOLES)
def test_missing_or_damaged_states_are_trained_again_bit_identically(store, holes):
    before, record = contents(store), store.runs.read("run")
    for epoch, how in holes:
        if how == "deleted":
            shutil.rmtree(store.states.folder(record.chain[epoch]))
        else:
            damages.DAMAGES[how](chunk(store, epoch))
    assert len(store.verify()) >= len(holes)
    notes = []
    done = repair_store(store, note=notes.append)
    assert (done.left, store.verify()) == ([], [])
    assert len(done.mended) >= len(holes)
    assert "is trained again" in notes[0]
    assert contents(store) == before, "the log and the files of the run are what they were, too"
    assert store.runs.read("run").weights == record.weights


def test_damaged_files_of_a_completed_run_are_rebuilt(store):
    before, record = contents(store), store.runs.read("run")
    folder = store.runs.folder("run")
    for name, how in (("spec.yaml", "emptied"), ("history.csv", "a folder"), ("report.html", "deleted"), ("model.keras", "flipped")):
        damages.DAMAGES[how](folder / name)
    done = repair_store(store)
    assert (done.left, store.verify()) == ([], [])
    assert {d.path.rpartition("/")[2] for d in done.mended} == {"spec.yaml", "history.csv", "report.html", "model.keras"}
    assert contents(store) == before
    assert store.runs.read("run").weights == record.weights
    assert len(list(folder.glob(".damaged-*"))) == 3, "what was there is quarantined"
