"""The runs of a store: `runs/<run>/` with the specification, the record, the report and the model of each.

A record ends with its own checksum. The record of a completed run contains the checksums of the other files.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from handler.errors import DamagedError, SpecError, StoreError
from handler.errors.secrets import masked
from handler.records import RunRecord
from handler.store import checksums, collection_lock, locks, marker, remote_dirs, remote_files
from handler.store.atomic_files import remove, write_file
from handler.validation.run_name import RUN_NAME, check_run_name

RECORD = "run.json"
FILES = ("spec.yaml", "history.csv", "report.html", "model.keras")


class RunStore:
    """The runs of a store, in its directory `runs/`.

    Example:
        >>> from handler.store import Store
        >>> Store("store").runs.folder("first-try").name
        'first-try'
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, name: str) -> Path:
        """Return the directory of a run. Raise `SpecError` for an invalid name, which could lead out of the store."""
        return self.root / check_run_name(name, "run")

    def names(self) -> list[str]:
        """Return the names of the runs that have a record."""
        if remote_dirs.find_remote(self.root) is None:
            names = {p.parent.name for p in self.root.glob("*/run.json")}
        else:
            objects = remote_files.list_files(self.root)
            names = {name.removesuffix("/run.json") for name in objects if name.endswith("/run.json")}
        return sorted(name for name in names if RUN_NAME.fullmatch(name))

    def read(self, name: str) -> RunRecord:
        """Return the record of a run.

        Raises:
            SpecError: there is no such run.
            DamagedError: the record is damaged.
            StoreError: the record cannot be read.
        """
        file = self.folder(name) / RECORD
        remote_files.download(file)
        if not file.exists():
            known = ", ".join(self.names()) or "none"
            raise SpecError("run", f"there is no run {name!r} in {self.root.parent}; there are: {known}")
        try:
            record = RunRecord.model_validate(checksums.read_checked(file))
            if record.run != name:  # the directory was renamed or copied
                self._refuse_swapped(file, record.run)
            return record.model_copy(update={"run": name})
        except DamagedError as error:
            raise DamagedError(f"{error}; train the same specification again") from error
        except ValidationError as error:
            raise DamagedError(
                f"{file}: is not a run's record ({error.error_count()} errors); train the same specification again"
            ) from error

    def _refuse_swapped(self, file: Path, run: str) -> None:
        """Raise `DamagedError` for the record of `run` if the directory of `run` contains another run's record."""
        recorded = run
        with contextlib.suppress(StoreError):  # no record there: the directory was renamed
            recorded = checksums.read_checked(self.folder(run) / RECORD).get("run", run)
        if recorded != run:
            raise DamagedError(f"{file}: is the record of run {run!r}")

    def write(self, record: RunRecord) -> None:
        """Replace a run's record atomically; for a store at a URL, upload the run's other files first.

        Secrets in the record's error and notes are masked.
        """
        file = self.folder(record.run) / RECORD
        masked_fields = {
            "error": record.error and masked(record.error),
            "notes": [masked(note) for note in record.notes],
        }
        write_file(file, checksums.with_checksum(record.model_dump(mode="json") | masked_fields))
        remote_files.upload_all(file.parent, last=RECORD)

    def digests(self, name: str) -> dict[str, str]:
        """Return the xxh3-128 digests of the present files of a run, for its record."""
        files = {file: self.folder(name) / file for file in FILES}
        return {file: checksums.digest_file(path) for file, path in files.items() if path.is_file()}

    def file(self, record: RunRecord, name: str) -> Path:
        """Return the path of one of a run's files, after comparing its content with the record's digest, if any.

        Raises:
            DamagedError: the file is missing or damaged.
            StoreError: the file cannot be read, although it may be intact.
        """
        path = self.folder(record.run) / name
        if name in record.files:
            if not path.exists() or checksums.content_damage(path, record.files[name]):
                remote_files.download(path)
            checksums.raise_first(checksums.content_damage(path, record.files[name]))
        return path

    def damages(self, name: str) -> list[checksums.Damage]:
        """Return the damage of a run's own files."""
        try:
            record = self.read(name)
        except SpecError:
            return [checksums.Damage(str(self.folder(name) / RECORD), "is missing")]
        except DamagedError as error:
            return [checksums.Damage.because(error)]
        wrong = []
        for file, digest in record.files.items():
            path = self.folder(name) / file
            if not path.exists():
                remote_files.download(path)
            wrong += checksums.content_damage(path, digest)
        return wrong

    @contextlib.contextmanager
    def lock(
        self, name: str, *, wait: bool = False, waiting: Callable[[str], None] = lambda text: None
    ) -> Iterator[None]:
        """Hold the lock of a run, so that the run has one writer, and the shared lock of the store.

        The lock ends with its process. For a store at a URL, the run's files are then downloaded.

        Args:
            name: the name of the run.
            wait: wait for another process that holds the lock, instead of refusing.
            waiting: called with a sentence that names the holder, if it must be waited for.

        Raises:
            BusyError: another process holds the lock.
            Interrupted: the process was asked to stop while it waited.
            SpecError: the directory cannot be a store, see `marker.claim_store`.
            StoreError: the system refuses to write.
        """
        marker.claim_store(self.root.parent)
        with self.lock_alone(name, wait=wait, waiting=waiting), collection_lock.hold_shared(self.root.parent, waiting):
            remote_files.download_all(self.folder(name))  # another machine may have written to the run
            yield

    @contextlib.contextmanager
    def lock_alone(
        self, name: str, *, wait: bool = False, waiting: Callable[[str], None] = lambda text: None
    ) -> Iterator[None]:
        """Hold the lock of a run without the store's lock, for a collection, which holds the store's lock itself.

        If the run's directory is otherwise empty at the end, it is removed together with the lock.

        Args:
            name, wait, waiting: as for `lock`.

        Raises:
            BusyError, Interrupted: as for `lock`.
        """
        folder = self.folder(name)
        with locks.hold_lock(folder / remote_files.LOCK, f"run {name!r}", wait=wait, waiting=waiting):
            try:
                yield
            finally:
                with contextlib.suppress(StoreError, OSError):
                    if {path.name for path in folder.iterdir()} == {remote_files.LOCK}:
                        self.remove(name)

    def remove(self, name: str) -> None:
        """Remove a run and its files."""
        remote_files.forget(self.folder(name))
        remove(self.folder(name))

    def active_names(self) -> list[str]:
        """Return the names of the runs that a process is running, also of those that have no record yet."""
        # guard: run-without-record-running
        names = {path.parent.name for path in self.root.glob(f"*/{remote_files.LOCK}")}
        names |= {name.partition("/")[0] for name in remote_files.list_files(self.root)}
        return sorted(name for name in names if RUN_NAME.fullmatch(name) and self.is_alive(name))

    def is_alive(self, name: str) -> bool:
        """Return whether a process is running a run."""
        return locks.is_locked(self.folder(name) / remote_files.LOCK)
