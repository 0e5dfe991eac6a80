"""Locks that end with their process: flock(2) on a file, which may stay in place, and a lease for a store at a URL.

The file's text names the last holder, for people. Only the kernel decides whether the lock is held.
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
from handler.stop_flag import stop
from handler.store.atomic_files import as_store_errors, make_folder, unreadable
from handler.store.leases import Lease, new_lease, read_holder
from handler.store.occupied_paths import open_lock

POLL, LEASE_POLL = 0.1, 1.0
PROBE_SECONDS = 0.3  # seconds; `is_locked` holds a lock for a moment, which must not count as held

_LOCKS_OF_PROCESS: set[int] = set()


def _let_go_in_child() -> None:
    """Close the lock descriptors in a forked child, which would otherwise keep the lock of a parent that was killed."""
    for descriptor in _LOCKS_OF_PROCESS:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _LOCKS_OF_PROCESS.clear()


os.register_at_fork(after_in_child=_let_go_in_child)  # guard: lock-released-in-fork


@contextlib.contextmanager
def hold_lock(
    path: Path, what: str, *, wait: bool = False, waiting: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """Hold an exclusive lock on a file.

    Args:
        path: the lock file; created if it is missing. Only the holder of the lock may remove it.
        what: the locked object, for the message.
        wait: wait for another holder to release it, instead of refusing.
        waiting: called once with a sentence if there is another holder to wait for.

    Raises:
        BusyError: another process holds the lock.
        Interrupted: the process was asked to stop while it waited.
        StoreError: the file cannot be created or opened.
    """
    lease = new_lease(path)
    descriptor = _taken(path, lease, what, wait, waiting)
    try:
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        said = f"process {os.getpid()} on {os.uname().nodename} since {now}\n".encode()
        with contextlib.suppress(OSError):  # the text is informational: a full disk must not prevent the lock
            os.pwrite(descriptor, said, 0)
            os.ftruncate(descriptor, len(said))  # after the write, so that a concurrent reader always finds a holder
        yield
    finally:
        try:
            if lease is not None:
                lease.release()
        finally:
            unlock(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of `hold_lock` on a file.

    Raises:
        StoreError: the file cannot be read.
    """
    return _is_locked_here(path) or read_holder(path) is not None


def lock_folder(path: Path, *, alone: bool = False, at_once: bool = False) -> int:
    """Lock a directory, shared or exclusively.

    Args:
        path: the directory.
        alone: take the lock exclusively, without waiting for other holders.
        at_once: do not wait for an exclusive holder.

    Returns:
        The descriptor that holds the lock, for `unlock`.

    Raises:
        FileNotFoundError: the directory is missing or was removed meanwhile.
        BlockingIOError: another process holds the lock.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    _LOCKS_OF_PROCESS.add(descriptor)
    try:
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB if alone or at_once else kind)
        if path.stat().st_ino != os.fstat(descriptor).st_ino:
            raise FileNotFoundError(path)
    except OSError:
        unlock(descriptor)
        raise
    return descriptor


def unlock(descriptor: int) -> None:
    """Release a lock; do nothing in a forked child, where it is released already."""
    if descriptor in _LOCKS_OF_PROCESS:
        _LOCKS_OF_PROCESS.remove(descriptor)
        os.close(descriptor)


def _taken(path: Path, lease: Lease | None, what: str, wait: bool, waiting: Callable[[str], None]) -> int:
    """Take a lock and return the descriptor that holds it.

    If the lock file is removed while this process waits for its lock, the file that has replaced it is locked instead.
    """
    while True:
        with as_store_errors(path):
            make_folder(path.parent)
            try:
                descriptor = open_lock(path)
            except FileNotFoundError:
                if path.parent.is_dir():
                    raise
                continue  # the directory was removed meanwhile
        _LOCKS_OF_PROCESS.add(descriptor)
        try:
            with as_store_errors(path):
                _take(descriptor, lease, what, wait, waiting)
            if _is_that_of(path, descriptor):  # guard: lock-file-still-in-place
                return descriptor
            if lease is not None:
                lease.release()
        except BaseException:
            unlock(descriptor)
            raise
        unlock(descriptor)


def _is_that_of(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _is_locked_here(path: Path) -> bool:
    try:
        if not (path.is_file() or path.is_dir()):
            return False
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
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        os.close(descriptor)


def _take(descriptor: int, lease: Lease | None, what: str, wait: bool, waiting: Callable[[str], None]) -> None:
    glance, told = time.monotonic() + PROBE_SECONDS, False
    while True:
        holder = _holder(descriptor, lease)
        if holder is None:
            return
        if time.monotonic() > glance:  # guard: glance-at-lock
            busy = f"{what} is being used by {holder}"
            if not wait:
                raise BusyError(f"{busy}; wait for it to end (--wait), or stop it")
            if not told:
                told = True
                waiting(f"{busy}; waiting for it to end")
        if stop.requested:  # guard: stop-while-waiting-for-lock
            raise Interrupted(f"stopped by {stop.reason} while waiting: {what} is in use")
        time.sleep(POLL if lease is None else LEASE_POLL)


def _holder(descriptor: int, lease: Lease | None) -> str | None:
    """Take a lock. Return a description of the process that holds it, on any machine; None if it is this process."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # guard: one-writer-per-run
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
    if lease is None or lease.take():  # guard: lease-with-lock
        return None
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return lease.holder() or "another process"
