"""The runs of a store: `runs/<run>/` with its specification, its record, its report and its model.

The record ends with a checksum of itself; that of a completed run has the checksums of the other files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from handler.errors import DamagedError, SpecError, StoreError
from handler.record import RunRecord
from handler.specification.run_name import RUN_NAME, check_run_name
from handler.specification.secrets import masked
from handler.store import checked, collection_lock, locks, marker, mirror, mirrored_files
from handler.store.files import remove, write_file

RECORD = "run.json"
FILES = ("spec.yaml", "history.csv", "report.html", "model.keras")


class RunStore:
    """The `runs/` folder of a store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str) -> Path:
        """The folder of a run. Raises SpecError for a name that isn't one (it could leave the store)."""
        return self.root / check_run_name(name, "run")

    def names(self) -> list[str]:
        """The names of the runs that have a record."""
        if mirror.remote_of(self.root) is None:
            found = {p.parent.name for p in self.root.glob("*/run.json")}
        else:
            there = mirrored_files.files_there(self.root)
            found = {name.removesuffix("/run.json") for name in there if name.endswith("/run.json")}
        return sorted(name for name in found if RUN_NAME.fullmatch(name))

    def read(self, name: str) -> RunRecord:
        """The record of a run.

        Raises:
            SpecError: there is no such run. DamagedError: its record isn't what was written.
            StoreError: it can't be read.
        """
        file = self.folder(name) / RECORD
        mirrored_files.refresh(file)
        if not file.exists():
            known = ", ".join(self.names()) or "none"
            raise SpecError("run", f"there is no run {name!r} in {self.root.parent}; there are: {known}")
        try:
            found = RunRecord.model_validate(checked.read_checked(file))
            if found.run != name:  # its folder was renamed or copied
                self._refuse_swapped(file, found.run)
            return found.model_copy(update={"run": name})
        except DamagedError as error:
            raise DamagedError(f"{error}; train the same specification again") from error
        except ValidationError as error:
            raise DamagedError(
                f"{file}: isn't a run's record ({error.error_count()} faults); train the same specification again"
            ) from error

    def _refuse_swapped(self, file: Path, run: str) -> None:
        """Refuses the record of another run, where that run's folder has the record of yet another one."""
        there = run
        with contextlib.suppress(StoreError):  # it has none: its folder was renamed
            there = checked.read_checked(self.folder(run) / RECORD).get("run", run)
        if there != run:
            raise DamagedError(f"{file}: is the record of run {run!r}")

    def write(self, record: RunRecord) -> None:
        """Writes a run's record whole over the one that was there; to a store's URL its other files go first."""
        file = self.folder(record.run) / RECORD
        shown = {"error": record.error and masked(record.error), "notes": [masked(note) for note in record.notes]}
        write_file(file, checked.with_checksum(record.model_dump(mode="json") | shown))
        mirrored_files.send_all(file.parent, last=RECORD)

    def digests(self, name: str) -> dict[str, str]:
        """The xxh3-128 of the files of a run as they are now, for its record."""
        found = {file: self.folder(name) / file for file in FILES}
        return {file: checked.digest_file(path) for file, path in found.items() if path.is_file()}

    def file(self, record: RunRecord, name: str) -> Path:
        """The path of one of a run's files, its content compared with what the record says of it.

        Raises:
            DamagedError: it isn't what was written.
        """
        path = self.folder(record.run) / name
        if name in record.files:
            if not path.exists() or checked.content_damage(path, record.files[name]):
                mirrored_files.refresh(path)
            checked.require(checked.content_damage(path, record.files[name]))
        return path

    def damages(self, name: str) -> list[checked.Damage]:
        """What is wrong with a run's own files."""
        try:
            record = self.read(name)
        except SpecError:
            return [checked.Damage(str(self.folder(name) / RECORD), "is missing")]
        except DamagedError as error:
            return [checked.Damage.because(error)]
        wrong = []
        for file, digest in record.files.items():
            path = self.folder(name) / file
            if not path.exists():
                mirrored_files.refresh(path)
            wrong += checked.content_damage(path, digest)
        return wrong

    @contextlib.contextmanager
    def lock(
        self, name: str, *, wait: bool = False, waiting: Callable[[str], None] = lambda text: None
    ) -> Iterator[None]:
        """One writer per run: a lock that dies with its process.

        Args:
            name: the run.
            wait: wait for another process that has it, until it is asked to stop.
            waiting: told who has it, where it is waited for.

        Raises:
            BusyError: another process has it. Interrupted: asked to stop while waiting.
        """
        marker.claim(self.root.parent)
        with self.lock_alone(name, wait=wait, waiting=waiting), collection_lock.held(self.root.parent, waiting):
            mirrored_files.bring_all(self.folder(name))  # another machine may have been at work on it
            yield

    @contextlib.contextmanager
    def lock_alone(
        self, name: str, *, wait: bool = False, waiting: Callable[[str], None] = lambda text: None
    ) -> Iterator[None]:
        """The lock of `lock` without the store's, for a collection that has the store.

        A folder that has nothing else in the end is removed with it.
        """
        folder = self.folder(name)
        with locks.locked(folder / mirrored_files.LOCK, f"run {name!r}", wait=wait, waiting=waiting):
            try:
                yield
            finally:
                with contextlib.suppress(StoreError, OSError):
                    if {path.name for path in folder.iterdir()} == {mirrored_files.LOCK}:
                        self.remove(name)

    def remove(self, name: str) -> None:
        """Removes a run and its files."""
        mirrored_files.forget(self.folder(name))
        remove(self.folder(name))

    def at_work(self) -> list[str]:
        """The runs that a process is at work on, those that have no record yet too."""
        found = {path.parent.name for path in self.root.glob(f"*/{mirrored_files.LOCK}")}
        found |= {name.partition("/")[0] for name in mirrored_files.files_there(self.root)}
        return sorted(name for name in found if RUN_NAME.fullmatch(name) and self.is_alive(name))

    def is_alive(self, name: str) -> bool:
        """Whether a process is at work on this run."""
        return locks.is_locked(self.folder(name) / mirrored_files.LOCK)
