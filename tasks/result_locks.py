"""A Prefect lock manager on flock(2): the kernel drops a lock when its process dies, so no lock becomes stale.

The locks of Prefect's own file-based manager outlive a killed process, and every later run waits for them forever. For
a store at a URL, each lock also holds a lease that expires.
"""

import asyncio
import functools
import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from prefect.locking.protocol import LockManager

from handler.stop_flag import stop
from handler.store.locks import StoreLock, is_locked
from tasks.interruption import TrainingInterrupted


class _HeldLock(NamedTuple):
    """A lock that this process holds."""

    lock: StoreLock
    holder: str
    thread: int | None  # None for a lock taken by a coroutine, since one thread runs many of them


class _HeldLocks:
    """The locks that this process holds, by directory and key; `mutex` protects them.

    A forked child holds none of them, and cannot use a mutex that another thread may have held.
    """

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.by_key: dict[tuple[str, str], _HeldLock] = {}


_held_locks = _HeldLocks()
os.register_at_fork(after_in_child=_held_locks.__init__)  # type: ignore[misc]


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
        """Wait for the lock, and return whether the holder has it.

        Args:
            key: the lock's key.
            holder: the id of the holder.
            acquire_timeout: seconds to wait; None waits without limit.
            hold_timeout: ignored.

        Raises:
            TrainingInterrupted: the training was asked to stop meanwhile.
        """
        report_once = functools.cache(self.waiting)
        return self._poll(lambda: self._try(key, holder, threading.get_ident()), acquire_timeout, report_once)

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """The asynchronous variant of `acquire_lock`."""
        end = _deadline(acquire_timeout)
        while not self._try(key, holder):
            if time.monotonic() >= end:
                return False
            _raise_if_stopped()
            await asyncio.sleep(self.poll)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Release the lock.

        Raises:
            ValueError: the holder does not hold it.
        """
        with _held_locks.mutex:
            entry = self._find_held(key)
            if entry is None or entry.holder != holder:
                raise ValueError(f"{holder} holds no lock for {key}")
            del _held_locks.by_key[(self.directory, key)]
            entry.lock.release()

    def is_locked(self, key: str) -> bool:
        """Return whether any holder, in this process or another, has the lock."""
        with _held_locks.mutex:
            return self._find_held(key) is not None or is_locked(self._path(key))

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Return whether this holder has the lock."""
        entry = self._find_held(key)
        return entry is not None and entry.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the lock is free, or held by this thread; return False if the timeout has passed.

        This thread could not release its own lock while it waits for it.

        Args:
            key: the lock's key.
            timeout: seconds to wait; None waits without limit.

        Raises:
            TrainingInterrupted: the training was asked to stop meanwhile.
        """
        return self._poll(lambda: not self.is_locked(key) or self._is_of_this_thread(key), timeout)

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

    def _poll(
        self, attempt: Callable[[], bool], seconds: float | None, waiting: Callable[[], None] = lambda: None
    ) -> bool:
        """Repeat an attempt until it succeeds; return False after a number of seconds."""
        end = _deadline(seconds)
        while not attempt():
            if time.monotonic() >= end:
                return False
            _raise_if_stopped()
            waiting()
            time.sleep(self.poll)
        return True

    def _is_of_this_thread(self, key: str) -> bool:
        entry = self._find_held(key)
        return entry is not None and entry.thread == threading.get_ident()

    def _find_held(self, key: str) -> _HeldLock | None:
        return _held_locks.by_key.get((self.directory, key))

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
        with _held_locks.mutex:
            entry = self._find_held(key)
            if entry is not None and entry.holder != holder and thread is not None and entry.thread == thread:
                entry = entry._replace(holder=holder)  # guard: lock-passed-to-next-attempt
                _held_locks.by_key[(self.directory, key)] = entry
            if entry is not None:
                return entry.holder == holder
            lock = StoreLock(self._path(key))
            try:
                is_taken = lock.attempt() is None
            except BaseException:
                lock.release()  # guard: lock-closed-without-lease
                raise
            if is_taken:
                _held_locks.by_key[(self.directory, key)] = _HeldLock(lock, holder, thread)
            else:
                lock.release()
            return is_taken


def _deadline(seconds: float | None) -> float:
    return float("inf") if seconds is None else time.monotonic() + seconds


def _raise_if_stopped() -> None:
    if stop.requested:
        # guard: stop-while-waiting-for-epochs
        raise TrainingInterrupted("asked to stop while waiting for another run that trains the same epochs")
