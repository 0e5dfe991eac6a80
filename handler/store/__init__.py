"""The store: what outlives a process. States, pre-fit results, activations, backups and runs, in one directory.

Nothing here is pickled and nothing is executed because a file says so.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from handler.retention import Retention
from handler.store import collection, files
from handler.store.checked import Damage
from handler.store.prefit import PrefitCache
from handler.store.runs import RunStore
from handler.store.states import StateStore

__all__ = ["Damage", "PrefitCache", "RunStore", "StateStore", "Store"]


class Store:
    """A store in a local directory; made when something is first written to it.

    Attributes:
        root: the directory.
        states, prefit, runs: its parts.
        backups: where backups of X and y lie.
        prefixes: where activations of frozen prefixes lie.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
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
        """Compares every checksum; see `collection.verify`."""
        return collection.verify(self, runs)

    def collect(self, *, keep: Retention | None = None, dry_run: bool = False) -> tuple[list[str], int]:
        """Removes what no run needs, and runs that aren't kept; see `collection.collect`."""
        return collection.collect(self, keep=keep, dry_run=dry_run)

    def sweep(self) -> None:
        """Removes what writers that died left half written."""
        for folder in self.folders():
            files.sweep(folder)
