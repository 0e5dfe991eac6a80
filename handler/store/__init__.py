"""The store: what outlives a process. States, pre-fit results, activations, backups and runs, in one directory.

Nothing here is pickled and nothing is executed because a file says so.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from handler.errors import FrostlineError, SpecError
from handler.retention import Retention
from handler.specification.given_text import check_folder_name
from handler.store import collection, collection_lock, files, marker, mirror
from handler.store.checked import Damage
from handler.store.mirror import local_root as local_root
from handler.store.prefit import PrefitCache
from handler.store.runs import RunStore
from handler.store.states import StateStore

__all__ = ["Damage", "PrefitCache", "RunStore", "StateStore", "Store", "local_root"]


class Store:
    """A store in a directory, made when something is first written to it; or at a URL, worked in a directory.

    Args:
        root: the directory, or the URL `s3://bucket/prefix`.

    Raises:
        SpecError: the root is neither.

    Attributes:
        root: the directory; for a URL see `mirror.local_root`.
        states, prefit, runs: its parts.
        backups: where backups of X and y lie.
        prefixes: where activations of frozen prefixes lie.
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
        """The directories things are written in."""
        parts = [self.root / part for part in ("states", "prefit", "prefixes", "backups", "plans", "runs")]
        return [self.root, *parts, *self.root.glob("runs/*/")]

    def require_writable(self, run: str) -> None:
        """Refuses a store that this user can't write a run to, before anything is begun.

        Raises:
            StoreError: says which directory, and what would do.
        """
        for folder in (self.root, self.states.root, self.runs.root, self.runs.folder(run)):
            there = next(path for path in (folder, *folder.parents) if path.exists())
            with files.writing(folder):
                if not there.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
                if not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
                    number = errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES
                    raise OSError(number, os.strerror(number))

    def verify(self, *runs: str) -> list[Damage]:
        """Compares every checksum; see `collection.verify`. What is at a URL is fetched for the purpose."""
        found = mirror.remote_of(self.root)
        if found is None:
            return collection.verify(self, runs)
        with tempfile.TemporaryDirectory() as folder:
            there = Store(mirror.worked_in(Path(folder), found[0].url))
            wrong = collection.verify(there, runs)
            return [Damage(damage.path.replace(str(there.root), found[0].url), damage.what) for damage in wrong]

    def collect(self, *, keep: Retention | None = None, dry_run: bool = False) -> tuple[list[str], int]:
        """Removes what no run needs, and runs that aren't kept; see `collection.collect`."""
        return collection.collect(self, keep=keep, dry_run=dry_run)

    @contextlib.contextmanager
    def trained_in(self) -> Iterator[None]:
        """Holds the store against collections for a training without a run; sweeps up what writers that died left.

        Raises:
            SpecError: it is a folder of another kind. StoreError: the disk refuses.
        """
        marker.claim(self.root)
        with collection_lock.held(self.root):
            self.sweep()
            yield

    def discard_unused(self) -> None:
        """Removes a store that holds nothing but what was remembered of files and networks, as far as this user may.

        For a store that was made for a training which then was refused. One at a URL stays.
        """
        if mirror.remote_of(self.root) is not None or not (self.root / marker.MARKER).exists():
            return
        with contextlib.suppress(FrostlineError, OSError), collection_lock.alone(self.root):
            parts = (*(part for part in marker.OURS if part != "plans"), "runs", "sweeps")
            if any(path for part in parts for path in self.root.glob(f"{part}/*")):
                return
            for part in ("plans", "results"):
                shutil.rmtree(self.root / part, ignore_errors=True)
            for file in ("digests.json", marker.MARKER):
                (self.root / file).unlink(missing_ok=True)
            for folder in (*(path for path in self.root.iterdir() if path.is_dir()), self.root):
                folder.rmdir()

    def sweep(self) -> None:
        """Removes what writers that died left half written."""
        for folder in self.folders():
            files.sweep(folder)
