"""The file of a `CSVLogger`, which after a resume is byte-identical to that of an uninterrupted training."""

import copy
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from handler.engine.loggers.log_files import LogFiles
from handler.store.atomic_files import as_store_errors, write_file
from handler.store.checksums import digest_bytes
from handler.store.occupied_paths import free_place
from handler.store.training_state import TrainingState


class CSVLog(LogFiles):
    """The file of a `CSVLogger`.

    Rows of epochs that are trained again are dropped. Rows of epochs that another run trained are added.

    Args:
        callback: the logger.
        before: the callbacks in front of it. Entries that later callbacks add to an epoch's logs are not in its rows.
    """

    def __init__(self, callback: Any, before: Sequence[Any]) -> None:
        self.path = Path(callback.filename)
        super().__init__(callback, self.path.with_name(f".{self.path.name}.marks"))
        self._append = callback.append
        self._columns: list[str] | None = None
        setters = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
        self._logs_rate = any(isinstance(other, setters) for other in before)

    def before_train_begin(self, state: TrainingState | None) -> None:
        """Restore the file to a state, before `on_train_begin`.

        A directory at its path is quarantined, because the logger itself opens the file for writing.
        """
        if not self.path.is_file():
            with as_store_errors(self.path):
                free_place(self.path)
        super().before_train_begin(state)

    def describe_files(self) -> dict[str, Any]:
        """Return the size and digest of the file, and its columns if the logger has set them."""
        return self._says(self._text(), self.callback.keys)

    def describe_kept_files(self) -> dict[str, Any]:
        """Return a mark of the rows that stay: with `append=True` all but one that a kill truncated, else none."""
        text = self._text()
        return self._says(text[: text.rfind(b"\n") + 1] if self._append else b"", None)

    def matches_mark(self, mark: dict[str, Any]) -> bool:
        """Return whether the marked part of the file is unchanged."""
        return digest_bytes(self._text()[: mark["size"]]) == mark["xxh3"]  # guard: csv-of-another-training

    def restore_files(self, mark: dict[str, Any], state: TrainingState) -> None:
        """Write the file as it was at the mark, add missing rows of the state's epochs, and let the logger append."""
        text, self._columns = self._text(), mark["columns"]
        kept = text[: mark["size"]]  # guard: csv-cut-to-state
        whole = kept + self._rows(mark["epochs"], state, header=not kept)  # guard: csv-rows-from-history
        if whole != text or not self.path.exists():
            write_file(self.path, whole)
        self.callback.append = True  # guard: csv-appends

    def after_train_begin(self, state: TrainingState | None) -> None:
        """Set the columns to those of the first epoch, as without an interruption, instead of those of the next one."""
        self.callback.append = self._append
        if state is not None and self._columns is not None:
            self.callback.keys = self._columns  # guard: csv-columns

    def _rows(self, first: int, state: TrainingState, header: bool) -> bytes:
        """Return the rows of the epochs from `first` on, made from the history by the logger's own code."""
        writer = copy.copy(self.callback)
        writer.csv_file, writer.writer, writer.keys = io.StringIO(newline=""), None, self._columns
        writer.append_header = header
        history = {
            name: values
            for name, values in state.history.items()
            if len(values) == state.epoch and (self._logs_rate or not name.startswith("learning_rate"))
        }
        for epoch in range(first, state.epoch):
            row = {name: values[epoch] for name, values in history.items() if values[epoch] is not None}
            writer.on_epoch_end(epoch, row)
        self._columns = writer.keys
        return writer.csv_file.getvalue().encode()

    def _text(self) -> bytes:
        return self.path.read_bytes() if self.path.is_file() else b""

    @staticmethod
    def _says(text: bytes, columns: list[str] | None) -> dict[str, Any]:
        return {"size": len(text), "xxh3": digest_bytes(text), "columns": columns}
