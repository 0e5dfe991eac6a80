"""The record of a run, as the process that holds the run's lock writes it."""

import pytest

from handler.errors import SpecError
from handler.records import EnvironmentChange
from handler.store.record_writer import RecordWriter
from handler.store.store import Store
from tests.handler.store.writes import record


@pytest.fixture
def writer(tmp_path):
    """Return a writer of a run that has begun, under the run's lock."""
    writer = RecordWriter(Store(tmp_path).runs, "mine")
    writer.has_lock = True
    writer.begin(record(0))
    return writer


def stored(writer):
    return writer.runs.read("mine").epochs


def test_the_first_record_is_written_at_once(writer):
    assert stored(writer) == 0


def test_a_change_is_written_at_once(writer):
    assert writer.change(epochs=1).epochs == 1
    assert stored(writer) == 1


def test_frequent_changes_are_written_at_intervals(writer, monkeypatch):
    monkeypatch.setattr("handler.store.record_writer.RECORD_SECONDS", 1000.0)
    for epoch in (1, 2, 3):
        writer.change(at_once=False, epochs=epoch)
    assert stored(writer) == 1, "the first one, as nothing was written before"
    assert writer.read().epochs == 3
    writer.release()
    assert stored(writer) == 3, "none is lost"


def test_a_forgotten_record_is_not_written(writer, monkeypatch):
    monkeypatch.setattr("handler.store.record_writer.RECORD_SECONDS", 1000.0)
    for epoch in (1, 2):
        writer.change(at_once=False, epochs=epoch)
    writer.forget()
    writer.release()
    assert stored(writer) == 1


def test_a_process_without_the_lock_reads_the_record_anew(writer):
    writer.release()
    writer.runs.write(record(2))
    assert writer.change(at_once=False, status="failed").epochs == 2
    writer.runs.remove("mine")
    with pytest.raises(SpecError, match="there is no run 'mine'"):
        writer.read()


def test_each_note_is_recorded_once(writer):
    change = EnvironmentChange(epoch=1, field="environment.keras", stored="1", found="2")
    writer.notes += ["mind", "mind"]
    writer.change(environment_changes=[change])
    assert writer.change(epochs=1).notes == ["mind", change.text]
