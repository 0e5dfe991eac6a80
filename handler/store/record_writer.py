"""The record of the run that this process writes: in memory while the process holds the run, written now and then."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from handler.errors import StoreError
from handler.record import RunRecord
from handler.store.runs import RunStore

RECORD_SECONDS = 1.0  # the record isn't written more often than this, nor for more than a fiftieth of the time
RECORD_SHARE = 50


class RecordWriter:
    """Changes the record of one run.

    Args:
        runs: where the record is.
        name: the run's name.

    Attributes:
        notes: what a person should know; each change of the record adds them to it.
        held: whether this process is the one writer of the run: the record is kept in memory then.
    """

    def __init__(self, runs: RunStore, name: str) -> None:
        self.runs, self.name = runs, name
        self.notes: list[str] = []
        self.held = False
        self._record: RunRecord | None = None
        self._unwritten: RunRecord | None = None
        self._next_writing = 0.0

    def begin(self, record: RunRecord) -> None:
        """Writes the first record of an attempt."""
        self._record = record if self.held else None
        self.runs.write(record)

    def read(self) -> RunRecord:
        """The record as it is now."""
        return self._record or self.runs.read(self.name)

    def change(self, *, at_once: bool = True, **changes: Any) -> RunRecord:
        """Changes the record; written at once, or else now and then: it grows, and what it says is in the states."""
        record = self._changed(**changes)
        self._record = self._unwritten = record if self.held else None
        if at_once or not self.held or time.monotonic() > self._next_writing:
            self._write(record)
        return record

    def forget(self) -> None:
        """Writes nothing more of the record: something else was written in its place."""
        self._record = self._unwritten = None

    def release(self) -> None:
        """Writes what is still unwritten; the process holds the run no longer."""
        if self._unwritten is not None:
            with suppress(StoreError):
                self._write(self._unwritten)
        self.held, self._record = False, None

    def _write(self, record: RunRecord) -> None:
        began = time.monotonic()
        self.runs.write(record)
        ended = time.monotonic()
        self._unwritten, self._next_writing = None, ended + max(RECORD_SECONDS, RECORD_SHARE * (ended - began))

    def _changed(self, **changes: Any) -> RunRecord:
        record = self.read().model_copy(update={**changes, "updated": now()})
        texts = dict.fromkeys([*record.notes, *self.notes, *(c.text for c in record.environment_changes)])
        return record.model_copy(update={"notes": list(texts)})


def now() -> str:
    """The time, as records have it (ISO 8601, UTC)."""
    return datetime.now(UTC).isoformat(timespec="seconds")
