"""Files that callbacks write as they go, brought back to where they stood when a state was taken.

A state is named by what determines it and is shared between runs, so nothing of one run's files is in it. Where these
stood is written beside them: `.log.csv.marks` gets a line per state that is taken, before the state itself is written,
so that a state on disk has its mark. A run that begins from a state of another run's has none; it marks then what it
finds, to come back to that if it is killed before it took a state of its own.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import xxhash

from handler.state import TrainingState
from handler.store.checked import digest_bytes
from handler.store.files import unreadable, writing
from handler.store.places import free_place

CHECKSUM = "xxh3 of the mark"


class LogFiles:
    """The files of one callback.

    Args:
        callback: the callback.
        marks: where it is kept how they stood.
    """

    def __init__(self, callback: Any, marks: Path) -> None:
        self.callback, self.marks = callback, marks
        # The first state of this training that was seen here; what another one wrote after it isn't ours to take back.
        self._training: str | None = None

    def begin(self, state: TrainingState | None) -> None:
        """Before `on_train_begin`: takes the files back to a state; None leaves them to the callback."""
        self._training = None
        if state is not None:
            name = fingerprint(state)
            self.go_back(self._marked(name) or self._first_mark(name), state)

    def begun(self, state: TrainingState | None) -> None:
        """After `on_train_begin`: sets what that has reset."""

    def mark(self, name: str, epochs: int) -> dict[str, Any]:
        """Keeps how the files stand at a state, `epochs` epochs being in them."""
        return self._write(name, epochs, self.present())

    def present(self) -> dict[str, Any]:
        """How the files stand, as plain JSON."""
        raise NotImplementedError

    def found(self) -> dict[str, Any]:
        """How the files stand that another training has left, as far as they are to stay."""
        return self.present()

    def holds(self, mark: dict[str, Any]) -> bool:
        """Whether the files still begin as a mark says."""
        return True

    def go_back(self, mark: dict[str, Any], state: TrainingState) -> None:
        """Takes the files back to a mark, and fills in from the history what they lack of the state's epochs."""
        raise NotImplementedError

    def _marked(self, name: str) -> dict[str, Any] | None:
        """The last mark of a state, unless another training has written here since."""
        lines = self._lines()
        for mark in reversed(lines):
            if mark["training"] != lines[-1]["training"]:
                break
            if mark["state"] == name and self.holds(mark):
                self._training = mark["training"]
                return mark
        return None

    def _first_mark(self, name: str) -> dict[str, Any]:
        return self._write(name, 0, self.found())

    def _write(self, name: str, epochs: int, files: dict[str, Any]) -> dict[str, Any]:
        self._training = self._training or name
        mark = {"training": self._training, "state": name, "epochs": epochs, **files}
        with writing(self.marks):
            self.marks.parent.mkdir(parents=True, exist_ok=True)
            if not self.marks.is_file():
                free_place(self.marks)
            with self.marks.open("a") as lines:
                said = json.dumps({**mark, CHECKSUM: digest_bytes(json.dumps(mark).encode())})
                lines.write(f"\n{said}")  # the line's end first: what a kill tore stays a line of its own
        return mark

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self.marks.read_bytes() if self.marks.is_file() else b""
        except OSError as error:
            raise unreadable(self.marks, error) from error
        return [mark for line in text.splitlines() if (mark := _parse(line)) is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    """A mark as it was written; None for a line that is torn or damaged: the files are then filled in anew."""
    try:
        mark = json.loads(line)
        checksum = mark.pop(CHECKSUM, None)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    if checksum is None:  # of an earlier version
        return mark if {"training", "state", "epochs"} <= mark.keys() else None
    return mark if checksum == digest_bytes(json.dumps(mark).encode()) else None


def of(callbacks: Sequence[Any]) -> list[LogFiles]:
    """The files of the callbacks that append to them."""
    from handler.engine.csv_log import CSVLog
    from handler.engine.event_log import EventLog

    logs: list[LogFiles] = []
    for i, callback in enumerate(callbacks):
        if isinstance(callback, keras.callbacks.CSVLogger):
            logs.append(CSVLog(callback, callbacks[:i]))
        elif isinstance(callback, keras.callbacks.TensorBoard):
            logs.append(EventLog(callback))
    return logs


@contextlib.contextmanager
def going_on(logs: Sequence[LogFiles], state: TrainingState | None) -> Iterator[None]:
    """Around `on_train_begin`: takes the files back to a state; None begins anew."""
    for log in logs:
        log.begin(state)
    yield
    for log in logs:
        log.begun(state)


def mark(logs: Sequence[LogFiles], state: TrainingState) -> None:
    """Keeps how the files stand at a state; to be called before the state is written."""
    name = fingerprint(state) if logs else ""
    for log in logs:
        log.mark(name, state.epoch)


def fingerprint(state: TrainingState) -> str:
    """What tells a state from others: its place, its history and the network's variables."""
    place = [state.epoch, state.step, state.history]
    content = xxhash.xxh3_128(json.dumps(place, sort_keys=True).encode())
    for name in sorted(name for name in state.arrays if name.startswith("model/")):
        content.update(np.ascontiguousarray(state.arrays[name]).reshape(-1).view(np.uint8).data)
    return content.hexdigest()
