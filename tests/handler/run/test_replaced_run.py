"""A refused training restores the run of its name; a completed run is kept until the next training is complete."""

import pytest

from handler.errors import MismatchError, SpecError
from handler.records import Resumption
from handler.run.replaced_run import ReplacedRun
from handler.state.chain import Position
from handler.store.store import Store
from tests.handler.store.writes import record, state

REFUSED, FAILED = SpecError("data", "isn't there"), RuntimeError("the user's")


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    made.states.write("k0", state(0.0))
    made.states.write("k1", state(1.0))
    return made


def begun(store, key, position=None, **changes):
    """Begin another training under the run's name: write its record and its specification."""
    records = [store.runs.read("mine")] if store.runs.names() else [None]
    replaced = ReplacedRun.of(store.runs, "mine", records[0], key, position)
    new = record(0, status="running", **changes).model_copy(update={"key": key, **replaced.fields_for_new_record("now")})
    store.runs.write(new)
    (store.runs.folder("mine") / "spec.yaml").write_text(f"name: {key}\n")
    return replaced


def completed(store, key="k0", **changes):
    store.runs.write(
        record(1, state="k1", status="completed", spec={"name": "mine"}, **changes).model_copy(update={"key": key})
    )
    (store.runs.folder("mine") / "spec.yaml").write_text("name: mine\n")
    return contents(store)


def contents(store):
    return {path.relative_to(store.root): path.read_bytes() for path in store.runs.root.rglob("*") if path.is_file()}


def test_a_refused_training_restores_the_completed_run(store):
    before = completed(store)
    replaced = begun(store, "other")
    assert contents(store) != before
    assert replaced.should_restore_after(REFUSED, None)
    replaced.restore_files(store.runs)
    assert contents(store) == before


def test_a_refused_training_after_a_kill_restores_the_completed_run(store):
    before = completed(store)
    begun(store, "other")  # and is killed at this point
    replaced = begun(store, "other")
    replaced.restore_files(store.runs)
    assert contents(store) == before


def test_a_refused_training_under_a_new_name_leaves_no_run(store):
    with store.runs.lock("mine"):
        replaced = begun(store, "k0")
        replaced.restore_files(store.runs)
    assert store.runs.names() == []
    assert list(store.runs.root.iterdir()) == []


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_refused_training_restores_an_unfinished_run(store, status):
    store.runs.write(record(1, status=status, error="told"))
    before = contents(store)
    begun(store, "k0").restore_files(store.runs)
    assert {name: before[name] for name in contents(store)} == before


def test_a_failure_before_training_restores_only_a_completed_run(store):
    completed(store)
    replaced = begun(store, "other", Position("x", 0))
    assert replaced.should_restore_after(FAILED, Position("x", 0))
    assert not replaced.should_restore_after(FAILED, Position("y", 1))
    assert not replaced.should_restore_after(REFUSED, Position("x-step-3", 0, 3))
    store.runs.write(record(1, status="interrupted"))
    assert not begun(store, "other").should_restore_after(FAILED, None)
    assert begun(store, "other").should_restore_after(MismatchError("changed"), None)


def test_gc_keeps_a_completed_run_until_its_replacement_completes(store):
    completed(store)
    begun(store, "other")
    assert store.collect() == ([], 0)
    new = store.runs.read("mine")
    store.runs.write(new.model_copy(update={"status": "failed"}))
    assert store.collect() == ([], 0)
    store.runs.write(new.model_copy(update={"status": "completed", "replaces": None}))
    assert store.collect()[0] == ["states/k0", "states/k1"]


@pytest.fixture
def resumed(store):
    """Return the record of an interrupted run that has been resumed after one epoch."""
    store.runs.write(record(1, status="interrupted", notes=["mind the gap"], dataset={"examples": 3}))
    begun(store, "k0", Position("k1", 1))
    return store.runs.read("mine")


def test_a_resumed_run_keeps_its_notes(resumed):
    assert (resumed.notes, resumed.dataset, resumed.replaces) == (["mind the gap"], {"examples": 3}, None)


def test_a_resumed_run_records_the_epoch(resumed):
    assert resumed.resumptions == [Resumption(epoch=1, after="interrupted")]
