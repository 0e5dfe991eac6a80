"""Damaged files are rebuilt bit-identically, or the report names the reason why not."""

import shutil

import numpy as np
import pytest

from handler.errors import DamagedError
from handler.fingerprint.declaration import FileDigests
from handler.repair.store_repair import repair_store
from handler.run.training_run import TrainingRun
from handler.store.checksums import with_checksum
from tests.faults import damages
from tests.handler.repair.conftest import run_in


def test_a_digest_index_with_other_content_is_rebuilt(store):
    (store.root / "digests.json").write_bytes(with_checksum({"format": 1, "what": "of another file"}))
    assert FileDigests(store.root).of(store.root.parent / "points.npz")


def test_damaged_caches_and_indexes_are_removed(store):
    store.prefit.write("0" * 32, {"a": np.arange(20)}, {})
    (store.root / "digests.json").write_bytes(with_checksum({"format": 1, "known": {}}))
    places = [*store.root.glob("plans/*.json"), store.root / "digests.json", damages.chunk(store.prefit.root), store.runs.folder("run") / "lock"]
    for place in places[:3]:
        damages.flip(place)
    damages.replace_by_folder(places[3])
    (store.root / "results" / "locks").mkdir(parents=True)
    (store.root / "results" / "one").symlink_to("/nonexistent")
    done = repair_store(store)
    assert (done.left, store.verify()) == ([], [])
    assert len(done.mended) == 5


def test_a_state_that_no_run_can_rebuild_is_named_with_the_reason(store):
    record = store.runs.read("run")
    np.savez(store.root.parent / "points.npz", X=np.zeros((40, 8), "float32"), y=np.zeros(40, "int64"))
    shutil.rmtree(store.states.folder(record.chain[2]))
    left = next(damage for damage in repair_store(store).left if record.chain[2] in damage.path)
    assert "run 'run' cannot rebuild it" in left.what
    assert "points.npz" in left.what


def test_a_damaged_run_record_is_reported_with_a_remedy(store):
    damages.flip(store.runs.folder("run") / "run.json")
    left = repair_store(store).left
    assert any("run.json" in damage.path and "train the same specification again" in damage.what for damage in left)


def test_repair_skips_a_run_that_another_process_uses(store):
    damages.delete(store.runs.folder("run") / "history.csv")
    with store.runs.lock("run"):
        (left,) = repair_store(store).left
    assert "is being used by" in left.what
    assert repair_store(store).left == []


def test_the_record_of_another_run_is_refused(store):
    record = store.runs.read("run")
    store.runs.write(record.model_copy(update={"run": "other"}))
    shutil.copytree(store.runs.folder("run"), store.runs.folder("copy"))
    assert store.runs.read("copy").run == "copy"
    files = [store.runs.folder(name) / "run.json" for name in ("run", "other")]
    one, other = (file.read_bytes() for file in files)
    damages.put(files[0], other)
    damages.put(files[1], one)
    with pytest.raises(DamagedError, match="is the record of run 'other'"):
        store.runs.read("run")


def test_a_state_that_no_run_needs_is_quarantined(store):
    from handler.store.training_state import TrainingState

    store.states.write("f" * 32, TrainingState(1, 0, {"model/w": np.arange(9.0)}, {}, {}, False))
    damages.flip(damages.chunk(store.states.folder("f" * 32)))
    done = repair_store(store)
    assert (done.left, store.verify()) == ([], [])
    assert list(store.states.root.glob(".damaged-*")) != []


def test_a_run_without_its_first_state_keeps_its_thread_count(store, monkeypatch):
    record = store.runs.read("run")
    threads = store.states.manifest(record.chain[0])["environment"]["threads"]
    monkeypatch.setattr("handler.backend.tensorflow_setup.core_count", lambda: threads + 5)
    shutil.rmtree(store.states.folder(record.chain[0]))
    run = run_in(store.root.parent)
    assert run.planning.threads == threads
    other = TrainingRun(run.inputs.model_copy(update={"name": "other"}))
    assert other.planning.threads == threads, "a run of another name has the same states"
