"""Files that callbacks write during training, restored to their contents at the time of a state.

A state is named by the inputs that determine it and is shared between runs, so it contains nothing about one run's
files. Their sizes are stored next to them: `.log.csv.marks` gets a line, a *mark*, per state, before the state itself
is written, so that every state on disk has its mark. A run that begins from a state of another run has no mark for
it. It then marks the files as they are, to restore these if it is killed before it has a state of its own.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from handler.store.atomic_files import as_store_errors, unreadable
from handler.store.checksums import digest_bytes
from handler.store.occupied_paths import free_place
from handler.store.training_state import TrainingState

CHECKSUM = "xxh3 of the mark"


class LogFiles:
    """The files of one callback.

    Args:
        callback: the callback.
        marks: the file for the marks.
    """

    def __init__(self, callback: Any, marks: Path) -> None:
        self.callback, self.marks = callback, marks
        # The first state of this training here. Lines that another training wrote after it must not be removed.
        self._training: str | None = None

    def before_train_begin(self, state: TrainingState | None) -> None:
        """Restore the files to a state, before `on_train_begin`. For None the callback handles its files itself."""
        self._training = None
        if state is not None:
            name = fingerprint(state)
            first = self._marked(name) or self._write(name, 0, self.describe_kept_files())
            self.restore_files(first, state)

    def after_train_begin(self, state: TrainingState | None) -> None:
        """Set attributes that `on_train_begin` has reset, after it."""

    def mark(self, name: str, epochs: int) -> dict[str, Any]:
        """Write a mark of the present files for a state, and return it.

        Args:
            name: the fingerprint of the state.
            epochs: the number of epochs in the files.
        """
        return self._write(name, epochs, self.describe_files())

    def describe_files(self) -> dict[str, Any]:
        """Return a description of the present files, as plain JSON."""
        raise NotImplementedError

    def describe_kept_files(self) -> dict[str, Any]:
        """Return a description of those parts of another training's files that stay."""
        return self.describe_files()

    def matches_mark(self, mark: dict[str, Any]) -> bool:
        """Return whether the files still begin as a mark describes; always True unless a subclass checks it."""
        return True

    def restore_files(self, mark: dict[str, Any], state: TrainingState) -> None:
        """Restore the files to a mark, and add the state's epochs that they lack from its history."""
        raise NotImplementedError

    def _marked(self, name: str) -> dict[str, Any] | None:
        """Return the last mark of a state, or None if there is none since another training last wrote here."""
        lines = self._lines()
        for mark in reversed(lines):
            if mark["training"] != lines[-1]["training"]:  # guard: log-of-another-training
                break
            if mark["state"] == name and self.matches_mark(mark):
                self._training = mark["training"]
                return mark
        return None

    def _write(self, name: str, epochs: int, files: dict[str, Any]) -> dict[str, Any]:
        self._training = self._training or name
        mark = {"training": self._training, "state": name, "epochs": epochs, **files}
        with as_store_errors(self.marks):
            self.marks.parent.mkdir(parents=True, exist_ok=True)
            if not self.marks.is_file():
                free_place(self.marks)
            with self.marks.open("a") as lines:
                said = json.dumps({**mark, CHECKSUM: digest_bytes(json.dumps(mark).encode())})
                # guard: torn-mark-on-its-own-line
                lines.write(f"\n{said}")  # newline first: a line that a kill truncated stays separate
        return mark

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self.marks.read_bytes() if self.marks.is_file() else b""
        except OSError as error:
            raise unreadable(self.marks, error) from error
        return [mark for line in text.splitlines() if (mark := _parse(line)) is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the mark in a line, or None for a truncated or damaged one; the files are then filled from the history."""
    try:
        mark = json.loads(line)
        checksum = mark.pop(CHECKSUM, None)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    if checksum is None:  # from an earlier version
        return mark if {"training", "state", "epochs"} <= mark.keys() else None
    return mark if checksum == digest_bytes(json.dumps(mark).encode()) else None  # guard: mark-checksum


@contextlib.contextmanager
def positioned_at(logs: Sequence[LogFiles], state: TrainingState | None) -> Iterator[None]:
    """Restore the files to a state around `on_train_begin`.

    Args:
        logs: the files, as `find_log_files` returns them.
        state: the state from which the training resumes; None to leave the files to their callbacks.
    """
    for log in logs:
        log.before_train_begin(state)
    yield
    for log in logs:
        log.after_train_begin(state)


def mark(logs: Sequence[LogFiles], state: TrainingState) -> None:
    """Write a mark for a state; to be called before the state is written."""
    name = fingerprint(state) if logs else ""
    for log in logs:
        log.mark(name, state.epoch)


def fingerprint(state: TrainingState) -> str:
    """Return a digest that identifies a state by its position, its history and the network's variables."""
    place = [state.epoch, state.step, state.history]
    content = xxhash.xxh3_128(json.dumps(place, sort_keys=True).encode())
    for name in sorted(name for name in state.arrays if name.startswith("model/")):
        content.update(np.ascontiguousarray(state.arrays[name]).reshape(-1).view(np.uint8).data)
    return content.hexdigest()
