"""The store: states, pre-fit results, activation caches, backups and runs in one directory that outlives a process.

No file of a store is unpickled or executed.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from handler.errors import FrostlineError, SpecError
from handler.store import atomic_files, collection_lock, maintenance, marker, remote_dirs
from handler.store.checksums import Damage
from handler.store.prefit_cache import PrefitCache
from handler.store.remote_dirs import local_root
from handler.store.run_retention import Retention
from handler.store.runs import RunStore
from handler.store.states import StateStore
from handler.validation.text import check_folder_name


class Store:
    """A store in a local directory, or at a URL with a local working directory.

    The directory is created at the first write.

    Args:
        root: the directory, or the URL, e.g. `s3://bucket/prefix`.

    Raises:
        SpecError: `root` is neither a path nor a usable URL.

    Attributes:
        root: the directory; for a URL the working directory, see `remote_dirs.local_root`.
        states, prefit, runs: the stores of states, of pre-fit results and of runs.
        backups: the directory of the backups of X and y.
        prefixes: the directory of the activation caches of frozen prefixes.

    Example:
        >>> store = Store("store")
        >>> store.runs.names(), store.states.names()
        ([], [])
    """

    def __init__(self, root: str | Path) -> None:
        if not isinstance(root, str | Path) or not str(root):
            raise SpecError("store", f"must be a folder's path or a URL, not {root!r:.80}")
        self.root = local_root(root)
        check_folder_name(self.root, "store")
        self.states = StateStore(self.root / "states")
        self.prefit = PrefitCache(self.root / "prefit")
        self.runs = RunStore(self.root / "runs")
        self.backups = self.root / "backups"
        self.prefixes = self.root / "prefixes"

    def folders(self) -> list[Path]:
        """Return the directories into which the store writes."""
        parts = [self.root / part for part in ("states", "prefit", "prefixes", "backups", "plans", "runs")]
        return [self.root, *parts, *self.root.glob("runs/*/")]

    def require_writable(self, run: str) -> None:
        """Raise `StoreError`, with a remedy, if this user cannot write the run; called before anything is started."""
        for folder in (self.root, self.states.root, self.runs.root, self.runs.folder(run)):
            existing = next(path for path in (folder, *folder.parents) if path.exists())
            with atomic_files.as_store_errors(folder):
                if not existing.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                if not os.access(existing, os.W_OK | os.X_OK, effective_ids=True):
                    number = errno.EROFS if os.statvfs(existing).f_flag & os.ST_RDONLY else errno.EACCES
                    raise OSError(number, os.strerror(number))

    def verify(self, *runs: str) -> list[Damage]:
        """Compare every checksum and return the damages, see `maintenance.verify`.

        The files of a store at a URL are fetched into a temporary directory.

        Args:
            runs: names of runs, to verify only their files and the files they need.
        """
        location = remote_dirs.find_remote(self.root)
        if location is None:
            return maintenance.verify(self, runs)
        with tempfile.TemporaryDirectory() as folder:
            copy = Store(remote_dirs.register_working_dir(Path(folder), location[0].url))
            wrong = maintenance.verify(copy, runs)
            return [Damage(damage.path.replace(str(copy.root), location[0].url), damage.what) for damage in wrong]

    def collect(self, *, keep: Retention | None = None, dry_run: bool = False) -> tuple[list[str], int]:
        """Remove the runs that are not kept and everything that no kept run needs; see `maintenance.collect`.

        Args:
            keep: the rule for the runs to keep; by default all runs are kept.
            dry_run: report the paths without removing them.

        Returns:
            The paths that were (or would be) removed, relative to the store, and their size in bytes.

        Raises:
            SpecError: the directory is no store, or no run has the metric of `keep`.
            StoreError: a run's record cannot be read, so that its needs are unknown, or the system refuses.
            BusyError: a training or another collection is running in the store.
        """
        return maintenance.collect(self, keep=keep, dry_run=dry_run)

    @contextlib.contextmanager
    def hold_off_collections(self) -> Iterator[None]:
        """Hold off collections during a training that has no run, and first remove the files that dead writers left.

        Raises:
            SpecError: the directory is no store and has files of its own.
            StoreError: the system refuses to write.
        """
        marker.claim_store(self.root)
        with collection_lock.hold_shared(self.root):
            self.remove_stale_files()
            yield

    def discard_unused(self) -> None:
        """Remove a store that holds only plans, file digests and Prefect results, as far as this user has permission.

        This is for a store that was created for a training which was then refused. A store at a URL is never removed.
        """
        if remote_dirs.find_remote(self.root) is not None or not (self.root / marker.MARKER).exists():
            return
        with contextlib.suppress(FrostlineError, OSError), collection_lock.hold_exclusive(self.root):
            parts = (*(part for part in marker.OURS if part != "plans"), "runs", "sweeps")
            if any(path for part in parts for path in self.root.glob(f"{part}/*")):
                return
            for part in ("plans", "results"):
                shutil.rmtree(self.root / part, ignore_errors=True)
            for file in ("digests.json", marker.MARKER):
                (self.root / file).unlink(missing_ok=True)
            for folder in (*(path for path in self.root.iterdir() if path.is_dir()), self.root):
                folder.rmdir()

    def remove_stale_files(self) -> None:
        """Remove the unfinished files of writers that died."""
        for folder in self.folders():
            atomic_files.remove_stale_files(folder)
