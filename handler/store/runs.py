"""The runs of a store: `runs/<run>/` with its specification, its record, its report and its model."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import ValidationError

from handler.errors import DamagedError, SpecError
from handler.record import RunRecord
from handler.store import locks, sealed

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class RunStore:
    """The `runs/` folder of a store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str) -> Path:
        """The folder of a run. Raises SpecError for a name that isn't one (it could leave the store)."""
        if not NAME.fullmatch(name):
            raise SpecError(
                "run",
                f"{name!r} can't name a run; use letters, digits, '.', '_' and '-', starting with a letter or digit",
            )
        return self.root / name

    def names(self) -> list[str]:
        """The names of the runs that have a record."""
        return sorted(p.parent.name for p in self.root.glob("*/run.json") if NAME.fullmatch(p.parent.name))

    def read(self, name: str) -> RunRecord:
        """The record of a run. Raises SpecError where there is no such run, DamagedError where it can't be read."""
        file = self.folder(name) / "run.json"
        try:
            return RunRecord.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            known = ", ".join(self.names()) or "none"
            raise SpecError("run", f"there is no run {name!r} in {self.root.parent}; there are: {known}") from None
        except ValidationError as error:
            raise DamagedError(
                f"{file}: isn't a whole record ({error.error_count()} faults); train the same specification again"
            ) from error

    def write(self, record: RunRecord) -> None:
        """Writes a run's record whole over the one that was there."""
        sealed.write_file(self.folder(record.run) / "run.json", (record.model_dump_json(indent=1) + "\n").encode())

    def lock(self, name: str, *, wait: bool = False) -> AbstractContextManager[None]:
        """One writer per run: a lock that dies with its process. Raises BusyError where another has it."""
        return locks.locked(self.folder(name) / "lock", f"run {name!r}", wait=wait)

    def is_alive(self, name: str) -> bool:
        """Whether a process is at work on this run."""
        return locks.is_locked(self.folder(name) / "lock")
