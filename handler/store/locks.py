"""Locks that die with their process: flock(2) on a file that may stay where it is.

What stands in the file is for people: who held it last. Whether anybody holds it, only the kernel says.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from handler.errors import BusyError, Interrupted
from handler.interrupt import stop
from handler.store.files import make_folder, unreadable, writing

POLL = 0.1
GLANCE = 0.3  # whoever only asks whether a lock is held (`is_locked`) holds it for a moment

_held: set[int] = set()


def _let_go_in_child() -> None:
    """A forked child has its parent's descriptors, and would keep the lock of a parent that was killed."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


@contextlib.contextmanager
def locked(
    path: Path, what: str, *, wait: bool = False, waiting: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """Holds an exclusive lock on a file.

    Args:
        path: the lock file; made if it isn't there, never removed (that would be a race).
        what: what is locked, for the message.
        wait: wait for a holder to go instead of refusing.
        waiting: told once, where there is somebody to wait for.

    Raises:
        BusyError: another process holds it. Interrupted: it was asked to stop while it waited.
        StoreError: the file can't be made or opened.
    """
    with writing(path):
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    _held.add(descriptor)
    try:
        _take(descriptor, what, wait, waiting)
        with writing(path):
            os.ftruncate(descriptor, 0)
            now = datetime.now().astimezone().isoformat(" ", "seconds")
            os.pwrite(descriptor, f"process {os.getpid()} on {os.uname().nodename} since {now}\n".encode(), 0)
        yield
    finally:
        let_go(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of `locked` on this file. Raises StoreError where that can't be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def hold_folder(path: Path, *, alone: bool = False) -> int:
    """Locks a directory: together with others, or alone.

    Returns:
        What holds the lock, for `let_go`.

    Raises:
        FileNotFoundError: there is none, or it has just been removed. BlockingIOError: it can't be had alone.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
        if path.stat().st_ino != os.fstat(descriptor).st_ino:
            raise FileNotFoundError(path)
    except OSError:
        let_go(descriptor)
        raise
    return descriptor


def let_go(descriptor: int) -> None:
    """Gives a lock back; nothing in a forked child, which has let go of it already."""
    if descriptor in _held:
        _held.remove(descriptor)
        os.close(descriptor)


def _take(descriptor: int, what: str, wait: bool, waiting: Callable[[str], None]) -> None:
    glance, told = time.monotonic() + GLANCE, False
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        if time.monotonic() > glance:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            busy = f"{what} is being used by {holder}"
            if not wait:
                raise BusyError(f"{busy}; wait for it to end (--wait), or stop it")
            if not told:
                told = True
                waiting(f"{busy}; waiting for it to end")
        if stop.requested:
            raise Interrupted(f"stopped by {stop.reason} while waiting: {what} is in use")
        time.sleep(POLL)
