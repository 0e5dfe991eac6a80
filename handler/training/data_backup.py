"""Backups of X and y: written to zarr and restored into the same arrays, for fits that rearrange them in place."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError, MismatchError
from handler.store import atomic_dirs, atomic_files, checksums
from handler.store.arrays import content, describe, read_array, write_array
from handler.store.atomic_dirs import drop_unneeded
from handler.store.checksums import compute_key
from handler.store.file_lock import FileLock, lock_folder
from handler.validation.array_list import list_arrays

TEMPORARY = "frostline-backup-"


class BackupLocks:
    """The locks on the backups in use: one per call of `write_backup`.

    A process has one such object, because its callers pass only the path of a backup.
    """

    def __init__(self) -> None:
        self._by_backup: dict[Path, list[FileLock]] = {}

    def add(self, backup: Path) -> None:
        """Lock a backup. Raise `FileNotFoundError` if it was removed."""
        self._by_backup.setdefault(backup, []).append(lock_folder(backup))

    def drop(self, backup: Path) -> None:
        """Release one lock on a backup."""
        self._by_backup[backup].pop().close()


_backup_locks = BackupLocks()


def named_arrays(X: Any, y: Any) -> dict[str, np.ndarray]:
    """Return X (an array or a list of arrays) and y (None: only X) under the names that they have in a backup."""
    return {f"X{i}": array for i, array in enumerate(list_arrays(X))} | ({} if y is None else {"y": y})


def write_backup(folder: Path, X: Any, y: Any) -> Path:
    """Write X and y to `folder/<digest>.zarr`, slab by slab, unless an intact backup of them is already there.

    This process holds the backup until `drop_backup`, or until the process ends. Several processes may share one.

    Args:
        folder: the folder of the backups.
        X: array or list of arrays of any dtype but object.
        y: array.

    Returns:
        The backup's path; its name is the digest of its content.

    Raises:
        StoreError: the disk refuses the backup.
    """
    arrays = named_arrays(X, y)
    body: dict[str, Any] = {"arrays": {name: {"xxh3": content(a), **describe(a)} for name, a in arrays.items()}}
    target = folder / f"{compute_key(body)}.zarr"

    def fill(beside: Path) -> dict[str, str]:
        written = dict[str, str]()
        for name, array in arrays.items():
            written |= write_array(beside / name, array)
        return written

    while True:
        atomic_dirs.commit_dir(target, body, fill)
        with contextlib.suppress(FileNotFoundError):  # another process has just removed it
            _backup_locks.add(target)
            return target


def drop_backup(backup: Path | None) -> None:
    """Release a backup that has been restored, and remove it unless another process holds it; None does nothing."""
    if backup is None:
        return
    _backup_locks.drop(backup)
    drop_unneeded(backup)
    if backup.parent.name.startswith(TEMPORARY):
        remove_temporary_folder(backup.parent)


def temporary_folder() -> Path:
    """Make a new folder for a backup outside a store, and remove the folders that killed processes have left."""
    for left in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        remove_temporary_folder(left)
    return Path(tempfile.mkdtemp(prefix=TEMPORARY))


def remove_temporary_folder(folder: Path) -> None:
    """Remove a folder made by `temporary_folder`, unless a process holds a backup in it."""
    drop_unneeded(*folder.glob("*.zarr"))
    atomic_files.remove_stale_files(folder)
    with contextlib.suppress(OSError):
        folder.rmdir()


def restore_backup(backup: Path, X: Any, y: Any) -> None:
    """Write the saved values back into the same arrays.

    Args:
        backup: the return value of `write_backup`.
        X, y: the arrays that were saved, with their rows in any order and unchanged shapes and dtypes. If y is
            None, only X is restored.

    Raises:
        DamagedError: a file of the backup is damaged; the arrays stay as the training left them.
        MismatchError: the arrays are not those that were saved.
    """
    try:
        # guard: backup-verified-deeply
        checksums.raise_first(atomic_dirs.damages(backup, deep=True))  # X and y can't be recovered otherwise
    except DamagedError as error:
        left = f"X and y stay in the row order of the training, and the backup stays in {backup}"
        raise DamagedError(f"{error}; {left}") from error
    manifest, arrays = atomic_dirs.read_manifest(backup), named_arrays(X, y)
    if not {name for name in arrays if name != "y"} == {name for name in manifest["arrays"] if name != "y"}:
        raise MismatchError(f"{backup}: contains {sorted(manifest['arrays'])}, but X and y are {sorted(arrays)}")
    listed = {name: about for name, about in manifest["arrays"].items() if name in arrays}
    for name, about in listed.items():
        given, saved = describe(arrays[name]), {part: about[part] for part in ("dtype", "shape")}
        if given != saved:
            raise MismatchError(f"{backup}: {name} was saved as {saved}, but is {given} now")
    for name, about in listed.items():
        read_array(backup / name, about, out=arrays[name])
