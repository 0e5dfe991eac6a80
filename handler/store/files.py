"""Files written whole: beside their place, synced, renamed. What a dead writer left is told from what is being written.

Whoever writes does so in a directory of its own beside the target, `.tmp-*`, and holds a lock on it (flock). The lock
goes with the process, so a `.tmp-*` that can be locked is a leftover, whatever process has that number now.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from handler.errors import DamagedError, StoreError
from handler.store.places import free_place, quarantine_of

T = TypeVar("T")
R = TypeVar("R")
OURS = re.compile(r"\.tmp-\d+-[0-9a-f]{8}-")
ADVICE = {
    errno.ENOSPC: "make room on that disk (`frostline gc` drops what no run needs) or name another place",
    errno.EDQUOT: "the quota is used up: make room (`frostline gc` drops what no run needs) or name another place",
    errno.EFBIG: "this process may not write a file of that size (`ulimit -f`)",
    errno.EACCES: "this user may not write there; change the permissions or name another place",
    errno.EPERM: "this user may not write there; change the permissions or name another place",
    errno.ENOTDIR: "part of that path is a file; name another place",
    errno.EROFS: "it is mounted for reading only; name another place",
    errno.EIO: "the disk fails; name a place on another one",
}
# What says that a file is gone or broken. Anything else (no permission, too many open files) says nothing of the file.
BROKEN = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO, errno.EBADMSG, errno.EUCLEAN}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system refuses into one sentence.

    Args:
        path: what is being written.

    Raises:
        StoreError: the system refused; says what it said and what would do.
    """
    try:
        yield
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "try again when that is mended")
        said = " ".join(str(error.strerror or error).split())
        raise StoreError(f"{path}: can't be written ({said}); {advice}; what was there before is untouched") from error


def unreadable(path: Path, error: OSError) -> StoreError:
    """What to raise where a file can't be read: DamagedError where it is gone or broken."""
    kind = DamagedError if error.errno in BROKEN else StoreError
    return kind(f"{path}: can't be read ({error.strerror or error})")


def sync(path: Path) -> None:
    """Makes a file or a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Makes a directory, and those above it, durable."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def files_within(folder: Path) -> list[Path]:
    """All files in a folder and below, sorted; links are followed, each folder is entered once."""
    found, entered = list[Path](), set[str]()
    for parent, folders, names in os.walk(folder, followlinks=True):
        entered.add(os.path.realpath(parent))
        folders[:] = [name for name in folders if os.path.realpath(Path(parent, name)) not in entered]
        found += [path for path in (Path(parent, name) for name in names) if path.is_file()]
    return sorted(found)


def free_bytes(folder: Path) -> int:
    """What the disk has free on which a folder lies, or will."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def side_by_side(call: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What a call gives for each of some files or chunks, two at a time; raises what a call raises."""
    given = list(items)
    if len(given) < 2:
        return [call(item) for item in given]
    with ThreadPoolExecutor(2, thread_name_prefix="files") as pool:
        return list(pool.map(call, given))


@contextlib.contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """A name on the same disk for what is to become `target`; what still lies there in the end is removed."""
    make_folder(target.parent)
    sweep(target.parent)
    place, descriptor = _claim(target)
    try:
        yield place / target.name
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(descriptor)


@contextlib.contextmanager
def replacing(path: Path, *, beside: Path | None = None) -> Iterator[Path]:
    """Gives a name to write to; what was written there is synced and renamed over `path`.

    Args:
        path: the file. The other name ends as it does, since some writers look at the suffix.
        beside: where to write it first; beside `path` by default.

    Raises:
        StoreError: the disk refuses; what was there before is untouched.
    """
    with writing(path), workplace(beside or path) as place:
        name = place.with_name(path.name)
        yield name
        sync(name)
        name.replace(path)
        sync(path.parent)


def write_file(path: Path, data: bytes, *, beside: Path | None = None) -> None:
    """Writes a file of the store whole; see `replacing`. What is no file there is quarantined."""
    with replacing(path, beside=beside) as name:
        name.write_bytes(data)
        free_place(path)


def remove(target: Path) -> None:
    """Removes a directory or a file; half removed it no longer has its name. One that isn't there is removed already.

    Works on a full disk: no new directory is made for it.

    Raises:
        StoreError: the system refuses.
    """
    with writing(target), contextlib.suppress(FileNotFoundError):
        place = _beside(target)
        target.rename(place)
        try:
            sync(target.parent)
        finally:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)


def set_aside(target: Path) -> None:
    """Takes a damaged directory out of use without deleting it: it becomes `.damaged-*`, until the next collection.

    Raises:
        StoreError: the system refuses.
    """
    with writing(target), contextlib.suppress(FileNotFoundError):
        target.rename(quarantine_of(target))
        sync(target.parent)


def leftovers(folder: Path) -> list[Path]:
    """The `.tmp-*` directories in a folder that no living process writes in."""
    found = []
    for place, descriptor in _abandoned(folder):
        os.close(descriptor)
        found.append(place)
    return found


def sweep(folder: Path) -> None:
    """Removes the leftovers in a folder, as far as this user may."""
    for place, descriptor in _abandoned(folder):
        shutil.rmtree(place, ignore_errors=True)
        os.close(descriptor)


def _beside(target: Path) -> Path:
    return target.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{target.name[:50]}")


def _claim(target: Path) -> tuple[Path, int]:
    """A new directory beside `target`, and the descriptor that holds its lock."""
    while True:
        place = _beside(target)
        place.mkdir()
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):  # where directories have no locks (NFS), nothing is swept up either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if place.exists():
                return place, descriptor
            os.close(descriptor)  # swept up before it could be locked


def _abandoned(folder: Path) -> Iterator[tuple[Path, int]]:
    """The directories in a folder whose writer is gone, each with the descriptor that holds its lock from now on."""
    try:
        names = [entry.name for entry in os.scandir(folder) if OURS.match(entry.name)]
    except OSError:
        return
    for name in names:
        try:
            descriptor = os.open(folder / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        yield folder / name, descriptor
