"""Removal of damaged parts that can be recomputed or that no run needs: caches, indexes, unused states."""

import contextlib
import os
from pathlib import Path

from handler.errors import DamagedError
from handler.records import RunRecord
from handler.store import atomic_dirs, atomic_files, remote_dirs, remote_files
from handler.store.occupied_paths import free_place
from handler.store.store import Store

SEALED = ("prefit", "prefixes", "backups")
FILES = ("plans", "results", "digests.json")


def is_cache(place: Path) -> bool:
    """Return whether a path relative to the store is that of a cache, an index or a lock, made again when needed."""
    return place.parts[0] in (*SEALED, *FILES) or (place.parts[0] == "runs" and place.parts[2:] == (remote_files.LOCK,))


def remove(store: Store, place: Path) -> str:
    """Quarantine or remove a damaged place for which `is_cache` is True; return what was done, for the message."""
    if place.parts[0] in SEALED:
        target = store.root / place.parts[0] / place.parts[1].removesuffix(remote_dirs.COMMIT)
        remote_dirs.delete_remote(target)
        atomic_files.quarantine(target)
        return "quarantined; the next run that needs it computes it again"
    path = store.root / place
    with atomic_files.as_store_errors(path):
        free_place(path)
        if place.parts[0] in FILES:
            path.unlink(missing_ok=True)
            remote_files.remove(path)
    return "removed; the next run that needs it makes it again"


def quarantine_unneeded_state(store: Store, key: str, records: list[RunRecord]) -> bool:
    """Quarantine a damaged state that no run needs, such as a snapshot from which no run resumes.

    Returns:
        False if one of the runs with these records, or another state, needs it; then it is left.
    """
    ends = {key for record in records for key in (record.key, record.state, *(s.state for s in record.segments))}
    if key in ends or any(key in store.states.referenced_keys(other) for other in store.states.names() if other != key):
        return False
    target = store.states.folder(key)
    with contextlib.suppress(DamagedError):
        remote_dirs.delete_remote(target)
    atomic_files.quarantine(target)
    return True


def withdraw_damaged(store: Store, key: str) -> None:
    """Quarantine a damaged state, here and at the store's URL; an intact local copy is uploaded again."""
    target = store.states.folder(key)
    remote_dirs.delete_remote(target)
    if os.path.lexists(target) and (not target.is_dir() or atomic_dirs.damages(target, deep=True)):
        atomic_files.quarantine(target)
    if target.exists() and remote_dirs.find_remote(target) is not None:
        remote_dirs.publish(target, target, (target / atomic_dirs.MANIFEST).read_bytes())
