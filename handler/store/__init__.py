"""The store: what outlives a process. States, pre-fit results, backups and runs, in one directory.

Nothing here is pickled and nothing is executed because a file says so.
"""

from __future__ import annotations

from pathlib import Path

from handler.store import collection
from handler.store.prefit import PrefitCache
from handler.store.runs import RunStore
from handler.store.sealed import Damage, leftovers
from handler.store.states import StateStore

__all__ = ["Damage", "PrefitCache", "RunStore", "StateStore", "Store"]


class Store:
    """A store in a local directory; made when something is first written to it.

    Attributes:
        root: the directory.
        states, prefit, runs: its parts.
        backups: where backups of X and y lie.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        self.states = StateStore(self.root / "states")
        self.prefit = PrefitCache(self.root / "prefit")
        self.runs = RunStore(self.root / "runs")
        self.backups = self.root / "backups"

    def verify(self, *runs: str) -> list[Damage]:
        """Compares every checksum; see `collection.verify`."""
        return collection.verify(self, runs)

    def collect(self, *, dry_run: bool = False) -> tuple[list[str], int]:
        """Removes what no run needs; see `collection.collect`."""
        return collection.collect(self, dry_run=dry_run)

    def sweep(self) -> None:
        """Removes the half-written directories of writers that died."""
        import shutil

        for folder in ("states", "prefit", "backups", "plans"):
            for path in leftovers(self.root / folder):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
