"""The previous content of a run's directory, which is restored if a new training under the run's name is refused.

The record of a completed training is stored inside the record that replaces it until the new training is complete
too. Therefore neither a kill nor a collection loses it in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from handler.errors import FrostlineError
from handler.records import Resumption, RunRecord
from handler.state.chain import Position
from handler.store import checksums, remote_files
from handler.store.atomic_files import write_file
from handler.store.runs import RECORD, RunStore

SPEC = "spec.yaml"


@dataclass(frozen=True)
class ReplacedRun:
    """The record and the specification of a run before a new training began under its name.

    Attributes:
        name: the name of the run.
        record: the record; None if there was no readable one.
        files: the contents of the record and the specification file, by file name, if they existed.
        key: key[0] of the new training.
        position: the furthest state of the new training when it began.
    """

    name: str
    record: RunRecord | None
    files: dict[str, bytes]
    key: str
    position: Position | None

    @classmethod
    def of(
        cls, runs: RunStore, name: str, record: RunRecord | None, key: str, position: Position | None
    ) -> ReplacedRun:
        """Read the two files in their present form; the other arguments are attributes."""
        paths = {file: runs.folder(name) / file for file in (RECORD, SPEC)}
        files = {file: path.read_bytes() for file, path in paths.items() if path.is_file()}
        return cls(name, record, files, key, position)

    @property
    def completed(self) -> RunRecord | None:
        """Return the record of the last completed training of that name, if it has another key."""
        before = self.record
        if before is None or before.replaces is not None:
            return None if before is None else before.replaces
        return before if before.status == "completed" and before.key != self.key else None

    def fields_for_new_record(self, now: str) -> dict[str, Any]:
        """Return the fields that the record of the new training takes over; `now` is the time in a record's form."""
        before, position = self.record, self.position
        if before is None or before.key != self.key:
            return {"started": now, "replaces": self.completed}
        same = ("started", "dataset", "prefit", "divergence")
        carried: dict[str, Any] = {name: getattr(before, name) for name in same}
        if before.status not in ("planned", "completed"):
            # Notes of environment changes are omitted: they come from the state that the training resumes from.
            changes = {change.text for change in before.environment_changes}
            carried["notes"] = [note for note in before.notes if note not in changes]
            carried["resumptions"] = list(before.resumptions)
            if position is not None:
                carried["resumptions"] += [Resumption(epoch=position.epoch, step=position.step, after=before.status)]
        return {**carried, "replaces": self.completed}

    def should_restore_after(self, error: BaseException, position: Position | None) -> bool:
        """Return whether a training that failed with an error, at its present position, leaves the run as it was.

        It does if the training was refused before it trained a step. It also does if the training failed that early for
        any reason and the run's previous record was that of a completed training.
        """
        refused = isinstance(error, FrostlineError) and error.exit_code == 2
        if not refused and (self.record is None or self.completed is not self.record):
            return False
        return position is None or position == self.position or (position.epoch, position.step) == (0, 0)

    def restore_files(self, runs: RunStore) -> None:
        """Restore the run's directory as it was before the training began; this process holds the run's lock.

        Raises:
            StoreError: the system refuses to write.
        """
        folder, files, before = runs.folder(self.name), self.files, self.record
        if before is not None and before.key == self.key and before.replaces is not None and not before.epochs:
            # The record is of this same training, which was killed before it could be refused.
            spec = yaml.safe_dump(before.replaces.spec, sort_keys=False, allow_unicode=True).encode()
            files = {RECORD: checksums.with_checksum(before.replaces.model_dump(mode="json")), SPEC: spec}
        for file in (SPEC, RECORD):
            if file in files:
                write_file(folder / file, files[file])
            else:
                (folder / file).unlink(missing_ok=True)
                remote_files.remove(folder / file)
        remote_files.upload_all(folder, last=RECORD)
