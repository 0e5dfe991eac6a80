"""Damaged files are rebuilt bit-identically, or the report names the reason why not."""

import shutil

import numpy as np
import pytest
import yaml

from handler.errors import DamagedError
from handler.fingerprint.declaration import FileDigests
from handler.repair.store_repair import repair_store
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.store.checksums import digest_file, with_checksum
from handler.store.store import Store
from tests.faults import damage_table, damages, stages


def run_in(folder):
    spec = parse_spec(yaml.safe_load((folder / "spec.yaml").read_text()))
    return TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name="run"))


# Without `threads`, because it would apply to all tests in this process.
SPEC = damage_table.SPEC | {"training": {k: v for k, v in damage_table.SPEC["training"].items() if k != "threads"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a project in which the smallest run was trained."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(damage_table.trainings.MODELS / "tiny.py", folder)
    damage_table.points(folder)
    (folder / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    run = run_in(folder)
    with run.lock():
        stages.train(run)
    assert run.store.verify() == []
    return folder


@pytest.fixture
def store(trained, tmp_path):
    """Return a copy of the project's store, with a run that belongs to the copy."""
    for name in ("tiny.py", "points.npz", "spec.yaml"):
        shutil.copy(trained / name, tmp_path)
    shutil.copytree(trained / "store", tmp_path / "store")
    copied = Store(tmp_path / "store")
    copied.runs.write(copied.runs.read("run").model_copy(update={"spec_folder": str(tmp_path)}))
    return copied


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
