"""Atomic file writes, and the distinction between a file that is being written and one that a dead writer left.

A file is written under another name in the same directory, synced and renamed. Each writer writes in its own `.tmp-*`
directory next to the target and holds a lock (flock) on it. The lock ends with the process. Therefore a `.tmp-*`
directory that can be locked is a leftover, even if another process has the same process id by now.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from handler.errors import DamagedError, StoreError
from handler.store.file_lock import FileLock, lock_folder
from handler.store.occupied_paths import choose_quarantine, free_place

T = TypeVar("T")
R = TypeVar("R")
OURS = re.compile(r"\.tmp-\d+-[0-9a-f]{8}-")
ADVICE = {
    errno.ENOSPC: "make room on that disk (`frostline gc` drops what no run needs) or name another place",
    errno.EDQUOT: "the quota is used up: make room (`frostline gc` drops what no run needs) or name another place",
    errno.EFBIG: "this process may not write a file of that size; raise its limit (`ulimit -f`)",
    errno.EACCES: "this user may not write there; change the permissions or name another place",
    errno.EPERM: "this user may not write there; change the permissions or name another place",
    errno.ENOTDIR: "part of that path is a file; name another place",
    errno.EROFS: "it is mounted for reading only; name another place",
    errno.EIO: "the disk fails; name a place on another disk",
}
# Errors that prove a file missing or broken. Any other (no permission, too many open files) proves nothing about it.
BROKEN = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO, errno.EBADMSG, errno.EUCLEAN}


@contextlib.contextmanager
def as_store_errors(path: Path) -> Iterator[None]:
    """Convert an `OSError` in writing a path into a `StoreError` that says what the system reported, and a remedy."""
    try:
        yield
    except OSError as error:  # guard: refusal-of-the-disk-explained
        advice = ADVICE.get(error.errno or 0, "try again when this is fixed")
        said = " ".join(str(error.strerror or error).split())
        raise StoreError(f"{path}: can't be written ({said}); {advice}; the existing file is unchanged") from error


def unreadable(path: Path, error: OSError) -> StoreError:
    """Return the exception for an unreadable file: `DamagedError` if it is missing or broken, else `StoreError`."""
    kind = DamagedError if error.errno in BROKEN else StoreError  # guard: unreadable-is-no-damage
    return kind(f"{path}: can't be read ({error.strerror or error})")


def sync(path: Path) -> None:
    """Make a file or a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Create a directory and its parents, durably."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def files_within(folder: Path) -> list[Path]:
    """Return all files below a directory, sorted; links are followed, and each directory is entered once."""
    files, entered = list[Path](), set[str]()
    for parent, folders, names in os.walk(folder, followlinks=True):
        entered.add(os.path.realpath(parent))
        folders[:] = [name for name in folders if os.path.realpath(Path(parent, name)) not in entered]
        files += [path for path in (Path(parent, name) for name in names) if path.is_file()]
    return sorted(files)


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that holds a directory, or will hold it."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def parallel_map(call: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return the results of a call for each item, in order, computed in two threads; raise the call's exceptions."""
    given = list(items)
    if len(given) < 2:
        return [call(item) for item in given]
    with ThreadPoolExecutor(2, thread_name_prefix="files") as pool:
        return list(pool.map(call, given))


@contextlib.contextmanager
def temporary_sibling(target: Path) -> Iterator[Path]:
    """Provide a path on the same disk as `target`, in a new locked `.tmp-*` directory.

    Leftovers in the target's directory are removed first. A file or directory that is still at the path in the end is
    removed.
    """
    make_folder(target.parent)
    remove_stale_files(target.parent)
    place, lock = _claim(target)
    try:
        yield place / target.name
    finally:
        shutil.rmtree(place, ignore_errors=True)  # guard: refused-write-cleaned-up
        lock.close()


@contextlib.contextmanager
def atomic_write(path: Path, *, beside: Path | None = None) -> Iterator[Path]:
    """Provide a path to write to; the file written there is synced and renamed over `path`.

    Args:
        path: the file. The path to write to has the same name, because some writers look at the suffix.
        beside: the file next to which the new one is written first; by default `path`.

    Raises:
        StoreError: the system refuses; the previous file is untouched.
    """
    with as_store_errors(path), temporary_sibling(beside or path) as place:
        name = place.with_name(path.name)  # guard: file-written-aside
        yield name
        sync(name)  # guard: file-durable-before-rename
        name.replace(path)
        sync(path.parent)


def write_file(path: Path, data: bytes, *, beside: Path | None = None) -> None:
    """Write a file of the store with the arguments and errors of `atomic_write`; quarantine a non-file in its place."""
    with atomic_write(path, beside=beside) as name:
        name.write_bytes(data)
        free_place(path)


def remove(target: Path) -> None:
    """Remove a directory or a file, or do nothing if it is missing.

    The target is renamed first, so a removal that is killed halfway leaves nothing under its name. No new directory is
    made for that, so it works on a full disk.

    Raises:
        StoreError: the system refuses.
    """
    with as_store_errors(target), contextlib.suppress(FileNotFoundError):
        place = _beside(target)  # guard: removal-needs-no-room
        target.rename(place)
        try:
            sync(target.parent)
        finally:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


def quarantine(target: Path) -> None:
    """Quarantine a damaged directory: rename it to `.damaged-*`, under which it stays until the next collection.

    Raises:
        StoreError: the system refuses.
    """
    with as_store_errors(target), contextlib.suppress(FileNotFoundError):
        target.rename(choose_quarantine(target))
        sync(target.parent)


def stale_files(folder: Path) -> list[Path]:
    """Return the `.tmp-*` directories in a directory that no living process writes in."""
    stale = []
    for place, lock in _abandoned(folder):
        lock.close()
        stale.append(place)
    return stale


def remove_stale_files(folder: Path) -> None:
    """Remove the leftovers in a directory, as far as this user has permission."""
    for place, lock in _abandoned(folder):
        shutil.rmtree(place, ignore_errors=True)  # guard: leftovers-removed-by-next-writer
        lock.close()


def _beside(target: Path) -> Path:
    return target.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{target.name[:50]}")


def _claim(target: Path) -> tuple[Path, FileLock]:
    """Create a directory next to `target`, and return it with the lock on it."""
    while True:
        place = _beside(target)
        place.mkdir()
        with contextlib.suppress(FileNotFoundError):
            lock = FileLock.of_folder(place)
            with contextlib.suppress(OSError):  # NFS has no locks for directories; no leftovers are removed there
                lock.acquire(wait=True)  # guard: leftover-locked
            if place.exists():
                return place, lock
            lock.close()  # another process removed it before it was locked


def _abandoned(folder: Path) -> Iterator[tuple[Path, FileLock]]:
    """Yield the directories whose writer is dead, each with the lock on it, which this process holds from now on."""
    try:
        # guard: only-own-leftovers-removed
        names = [entry.name for entry in os.scandir(folder) if OURS.match(entry.name)]
    except OSError:
        return
    for name in names:
        try:
            lock = lock_folder(folder / name, alone=True, follow=False)
        except OSError:
            continue
        yield folder / name, lock
