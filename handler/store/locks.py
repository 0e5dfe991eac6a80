"""Locks of the store that end with their process: a lock file, which may stay in place, and a lease at a URL."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from handler.errors import BusyError, Interrupted
from handler.stop_flag import stop
from handler.store.atomic_files import as_store_errors, make_folder, unreadable
from handler.store.file_lock import FileLock
from handler.store.leases import Lease, new_lease, read_holder

POLL, LEASE_POLL = 0.1, 1.0
PROBE_SECONDS = 0.3  # seconds; `is_locked` holds a lock for a moment, which must not count as held


class StoreLock:
    """An exclusive lock on a file of a store, not taken yet; for a store at a URL a lease comes with it.

    Args:
        path: the lock file; created if it is missing. Only the holder of the lock may remove it.

    Attributes:
        poll: a suitable number of seconds between two attempts.

    Raises:
        StoreError: the file cannot be created or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._has_lease = path, False
        with as_store_errors(path):
            self._lease = new_lease(path)
            self._file = self._opened()
        self.poll = POLL if self._lease is None else LEASE_POLL

    def attempt(self) -> FileLock | Lease | None:
        """Take the lock. Return the part of it that another process holds, or None if this process holds all of it.

        If the lock file is removed meanwhile, the file that has replaced it is locked instead.

        Raises:
            StoreError: the system refuses the lock.
        """
        with as_store_errors(self.path):
            if not self._file.acquire():  # guard: one-writer-per-run
                return self._file
            if not self._file.is_at(self.path):  # guard: lock-file-still-in-place
                self._file.close()
                self._file = self._opened()
                return self.attempt()
            if self._lease is not None and not self._lease.take():  # guard: lease-with-lock
                self._file.release()
                return self._lease
        self._has_lease = self._lease is not None
        self._file.write_holder()
        return None

    def release(self) -> None:
        """Release the lock if it is held, and close its file."""
        try:
            if self._lease is not None and self._has_lease:
                self._lease.release()
        finally:
            self._file.close()

    def _opened(self) -> FileLock:
        while True:
            make_folder(self.path.parent)
            try:
                return FileLock.of_file(self.path)
            except FileNotFoundError:  # the directory was removed meanwhile
                if self.path.parent.is_dir():
                    raise


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
    lock = StoreLock(path)
    try:
        _take(lock, what, wait, waiting)
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock on a file or directory.

    Raises:
        StoreError: the file cannot be read.
    """
    return _is_locked_here(path) or read_holder(path) is not None


def _is_locked_here(path: Path) -> bool:
    try:
        if not (path.is_file() or path.is_dir()):
            return False
        with FileLock(os.open(path, os.O_RDONLY)) as lock:
            return not lock.acquire()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(path, error) from error


def _take(lock: StoreLock, what: str, wait: bool, waiting: Callable[[str], None]) -> None:
    glance, is_reported = time.monotonic() + PROBE_SECONDS, False
    while (part := lock.attempt()) is not None:
        if time.monotonic() > glance and not is_reported:  # guard: glance-at-lock
            busy = f"{what} is being used by {part.holder() or 'another process'}"
            if not wait:
                raise BusyError(f"{busy}; wait for it to end (--wait), or stop it")
            is_reported = True
            waiting(f"{busy}; waiting for it to finish")
        if stop.requested:  # guard: stop-while-waiting-for-lock
            raise Interrupted(f"stopped by {stop.reason} while waiting: {what} is in use")
        time.sleep(lock.poll)
