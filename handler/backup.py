"""X and y, out to zarr and back into the same arrays: for fits that rearrange them in place."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from handler.chain import key_of
from handler.errors import DamagedError, MismatchError, StoreError
from handler.store import checked, files, sealed
from handler.store.arrays import content, describe, read_array, write_array
from handler.store.locks import hold_folder, let_go

TEMPORARY = "frostline-backup-"
_HELD: dict[Path, list[int]] = {}  # the backups this process needs: a locked descriptor for each time it was written


def arrays_of(X: Any, y: Any) -> dict[str, np.ndarray]:
    """X (an array or a list of arrays) and y (None: only X) by the names they have in a backup."""
    parts = list(X) if isinstance(X, (list, tuple)) else [X]
    return {f"X{i}": array for i, array in enumerate(parts)} | ({} if y is None else {"y": y})


def write_backup(folder: Path, X: Any, y: Any) -> Path:
    """Writes X and y to `folder/<digest>.zarr`, slab by slab; one that is there already and whole is not written again.

    It is this process's until `drop_backup`, or until it ends; several processes may share one.

    Args:
        folder: where backups lie.
        X: array or list of arrays of any dtype but object.
        y: array.

    Returns:
        The backup's path; its name is the digest of what it holds.

    Raises:
        StoreError: the disk refuses.
    """
    arrays = arrays_of(X, y)
    body: dict[str, Any] = {"arrays": {name: {"xxh3": content(a), **describe(a)} for name, a in arrays.items()}}
    target = folder / f"{key_of(body)}.zarr"

    def fill(beside: Path) -> dict[str, str]:
        written = dict[str, str]()
        for name, array in arrays.items():
            written |= write_array(beside / name, array)
        return written

    while True:
        sealed.seal(target, body, fill)
        with contextlib.suppress(FileNotFoundError):  # another process has just dropped it
            _HELD.setdefault(target, []).append(hold_folder(target))
            return target


def drop_backup(backup: Path) -> None:
    """Removes a backup that has done its work; one that another process needs is left to that."""
    let_go(_HELD[backup].pop())
    drop_unneeded(backup)


def drop_unneeded(*backups: Path) -> None:
    """Removes those of the backups that no process needs: what they were made for ended with its process."""
    for backup in backups:
        with contextlib.suppress(OSError, StoreError):  # others need it, or it is left to the next collection
            descriptor = hold_folder(backup, alone=True)
            try:
                files.remove(backup)
            finally:
                let_go(descriptor)


def temporary_folder() -> Path:
    """A new folder for a backup outside of a store. Those that processes which died have left are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        clear(left)
    return Path(tempfile.mkdtemp(prefix=TEMPORARY))


def clear(folder: Path) -> None:
    """Removes a folder of `temporary_folder`, unless a process needs what is in it."""
    drop_unneeded(*folder.glob("*.zarr"))
    files.sweep(folder)
    with contextlib.suppress(OSError):
        folder.rmdir()


def restore_backup(backup: Path, X: Any, y: Any) -> None:
    """Writes the saved values back into the same arrays.

    Args:
        backup: what `write_backup` returned.
        X, y: the arrays that were saved; any order of rows, the same shapes and dtypes. Without y only X is restored.

    Raises:
        DamagedError: a file of the backup isn't what was written; the arrays are left as the training left them.
        MismatchError: the arrays aren't those that were saved.
    """
    try:
        checked.require(sealed.damages(backup, deep=True))  # what it is for can't be made again
    except DamagedError as error:
        left = f"X and y are left as the training left them (other rows' order), and the backup stays in {backup}"
        raise DamagedError(f"{error}; {left}") from error
    manifest, arrays = sealed.read_manifest(backup), arrays_of(X, y)
    if not {name for name in arrays if name != "y"} == {name for name in manifest["arrays"] if name != "y"}:
        raise MismatchError(f"{backup}: holds {sorted(manifest['arrays'])}, given were {sorted(arrays)}")
    listed = {name: about for name, about in manifest["arrays"].items() if name in arrays}
    for name, about in listed.items():
        given, saved = describe(arrays[name]), {part: about[part] for part in ("dtype", "shape")}
        if given != saved:
            raise MismatchError(f"{backup}: {name} was saved as {saved}, given is {given}")
    for name, about in listed.items():
        read_array(backup / name, about, out=arrays[name])
