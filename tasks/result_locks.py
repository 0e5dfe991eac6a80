"""A Prefect lock manager on flock(2): the kernel drops a lock when its process dies, so no lock becomes stale.

The locks of Prefect's own file-based manager outlive a killed process, and every later run waits for them forever. For
a store at a URL, each lock also holds a lease that expires.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from prefect.locking.protocol import LockManager

from handler.stop_flag import stop
from handler.store.atomic_files import as_store_errors, make_folder
from handler.store.leases import Lease, new_lease
from handler.store.locks import is_locked
from handler.store.occupied_paths import open_lock
from tasks.interruption import TrainingInterrupted


class _Held(NamedTuple):
    """A lock that this process holds."""

    descriptor: int
    holder: str
    lease: Lease | None
    thread: int | None  # None for a lock taken by a coroutine, since one thread runs many of them


_HELD: dict[tuple[str, str], _Held] = {}  # by directory and key
_MUTEX = threading.Lock()


def _let_go_in_child() -> None:
    """Drop the locks in a forked child, which inherits the descriptors and would keep the locks of a killed parent."""
    global _MUTEX
    _MUTEX = threading.Lock()
    for held in _HELD.values():
        os.close(held.descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


class FlockLockManager(LockManager):
    """Locks of result records, one file per key.

    The held locks are kept in the module, not in the instance, so that copies and deserialised instances share them.

    Args:
        directory: the folder of the lock files; they are never removed, since removing one would be a race.
        poll: seconds between two attempts.
        waiting: called once per lock that another run holds.
    """

    def __init__(self, directory: Path | str, poll: float = 0.2, waiting: Callable[[], None] = lambda: None) -> None:
        self.directory = str(Path(directory).expanduser().absolute())
        self.poll, self.waiting = poll, waiting

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlockLockManager) and other.directory == self.directory

    def __hash__(self) -> int:
        return hash(self.directory)

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Wait for the lock.

        Args:
            key: the lock's key.
            holder: the id of the holder.
            acquire_timeout: seconds to wait; None waits without limit.
            hold_timeout: ignored.

        Returns:
            Whether the holder has the lock.

        Raises:
            TrainingInterrupted: the training was asked to stop meanwhile.
        """
        end, told = _deadline(acquire_timeout), False
        while not self._try(key, holder, threading.get_ident()):
            if time.monotonic() >= end:
                return False
            _stop_if_asked()
            if not told:
                told = True
                self.waiting()
            time.sleep(self.poll)
        return True

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """The asynchronous variant of `acquire_lock`."""
        end = _deadline(acquire_timeout)
        while not self._try(key, holder):
            if time.monotonic() >= end:
                return False
            _stop_if_asked()
            await asyncio.sleep(self.poll)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Release the lock.

        Raises:
            ValueError: the holder does not hold it.
        """
        with _MUTEX:
            held = _HELD.get((self.directory, key))
            if held is None or held.holder != holder:
                raise ValueError(f"{holder} holds no lock for {key}")
            del _HELD[(self.directory, key)]
            try:
                if held.lease is not None:
                    held.lease.release()
            finally:
                os.close(held.descriptor)

    def is_locked(self, key: str) -> bool:
        """Return whether any holder, in this process or another, has the lock."""
        with _MUTEX:
            return (self.directory, key) in _HELD or is_locked(self._path(key))

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Return whether this holder has the lock."""
        with _MUTEX:
            held = _HELD.get((self.directory, key))
            return held is not None and held.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the lock is free, or held by this thread.

        This thread could not release its own lock while it waits for it.

        Args:
            key: the lock's key.
            timeout: seconds to wait; None waits without limit.

        Returns:
            False if the timeout has passed.

        Raises:
            TrainingInterrupted: the training was asked to stop meanwhile.
        """
        end = _deadline(timeout)
        while self.is_locked(key) and not self._is_of_this_thread(key):
            if time.monotonic() >= end:
                return False
            _stop_if_asked()
            time.sleep(self.poll)
        return True

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """The asynchronous variant of `wait_for_lock`.

        It neither exempts locks of this thread nor reacts to a stop request.
        """
        end = _deadline(timeout)
        while self.is_locked(key):
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(self.poll)
        return True

    def _is_of_this_thread(self, key: str) -> bool:
        with _MUTEX:
            held = _HELD.get((self.directory, key))
            return held is not None and held.thread == threading.get_ident()

    def _path(self, key: str) -> Path:
        return Path(self.directory, hashlib.sha256(key.encode()).hexdigest()[:40] + ".lock")

    def _try(self, key: str, holder: str, thread: int | None = None) -> bool:
        """Try to take the lock, and return whether the holder has it now.

        A thread does one thing at a time. A lock that the calling thread already holds was therefore left by an earlier
        attempt that ended without releasing it, and passes to the new holder; otherwise the thread would wait for
        itself.

        Raises:
            StoreError: the system refuses the lock; nothing is held.
        """
        with _MUTEX:
            held = _HELD.get((self.directory, key))
            if held is not None and held.holder != holder and thread is not None and held.thread == thread:
                held = _HELD[(self.directory, key)] = held._replace(holder=holder)  # guard: lock-passed-to-next-attempt
            if held is not None:
                return held.holder == holder
            path = self._path(key)
            with as_store_errors(path):
                make_folder(path.parent)
                descriptor = open_lock(path)
                try:
                    lease = new_lease(path)
                    taken = self._take(descriptor, lease, key)
                except BaseException:
                    os.close(descriptor)  # guard: lock-closed-without-lease
                    raise
            if not taken:
                os.close(descriptor)
                return False
            _HELD[(self.directory, key)] = _Held(descriptor, holder, lease, thread)
            return True

    def _take(self, descriptor: int, lease: Lease | None, key: str) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if lease is not None and not lease.take():
            return False
        with contextlib.suppress(OSError):  # informational only: a full disk must not prevent the lock
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.uname().nodename} {os.getpid()} {key}\n".encode(), 0)
        return True


def _deadline(seconds: float | None) -> float:
    return float("inf") if seconds is None else time.monotonic() + seconds


def _stop_if_asked() -> None:
    if stop.requested:
        # guard: stop-while-waiting-for-epochs
        raise TrainingInterrupted("asked to stop while waiting for another run that trains the same epochs")
