"""The record of the run that this process writes: kept in memory while the process holds the run's lock."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from handler.errors import StoreError
from handler.records import RunRecord
from handler.store.runs import RunStore

RECORD_SECONDS = 1.0  # the shortest time between two writes of the record that are not urgent
RECORD_SHARE = 50  # the next such write waits at least this multiple of the duration of the last one


class RecordWriter:
    """A writer that changes the record of one run.

    Attributes:
        notes: notes for the user; each change of the record adds them to it.
        has_lock: whether this process holds the run's lock and is therefore its only writer. The record is then kept in
            memory.
    """

    def __init__(self, runs: RunStore, name: str) -> None:
        self.runs, self.name = runs, name
        self.notes: list[str] = []
        self.has_lock = False
        self._record: RunRecord | None = None
        self._unwritten: RunRecord | None = None
        self._next_writing = 0.0

    def begin(self, record: RunRecord) -> None:
        """Write the first record of an attempt."""
        self._record = record if self.has_lock else None
        self.runs.write(record)

    def read(self) -> RunRecord:
        """Return the current record."""
        return self._record or self.runs.read(self.name)

    def change(self, *, at_once: bool = True, **changes: Any) -> RunRecord:
        """Change the record and return it.

        Args:
            at_once: write it now. Otherwise it is written at intervals, because it grows with the training and its
                content is also in the states.
            changes: the new values of the record's fields.
        """
        record = self.read().model_copy(update={**changes, "updated": now()})
        texts = dict.fromkeys([*record.notes, *self.notes, *(c.text for c in record.environment_changes)])
        record = record.model_copy(update={"notes": list(texts)})
        self._record = self._unwritten = record if self.has_lock else None
        if at_once or not self.has_lock or time.monotonic() > self._next_writing:
            self._write(record)
        return record

    def forget(self) -> None:
        """Discard the record without writing it, because something else was written in its place."""
        self._record = self._unwritten = None

    def release(self) -> None:
        """Write any unwritten change, and stop keeping the record: the process no longer holds the run's lock."""
        if self._unwritten is not None:
            with suppress(StoreError):
                self._write(self._unwritten)
        self.has_lock, self._record = False, None

    def _write(self, record: RunRecord) -> None:
        began = time.monotonic()
        self.runs.write(record)
        ended = time.monotonic()
        self._unwritten, self._next_writing = None, ended + max(RECORD_SECONDS, RECORD_SHARE * (ended - began))


def now() -> str:
    """Return the time in the form of the records (ISO 8601, UTC)."""
    return datetime.now(UTC).isoformat(timespec="seconds")
