"""A Prefect lock manager on flock(2): the kernel drops a lock when its process dies, so no lock goes stale.

Prefect's own file locks outlive a killed process and are then waited for without end. A store at a URL has leases
besides, that run out.
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

from handler.interrupt import stop
from handler.store.files import make_folder, writing
from handler.store.leases import Lease, lease_on
from handler.store.locks import is_locked
from handler.store.places import open_lock
from tasks.interruption import TrainingInterrupted


class _Held(NamedTuple):
    """A lock that this process holds."""

    descriptor: int
    holder: str
    lease: Lease | None
    thread: int | None  # None: it was taken for a coroutine, and a thread runs many of them


_HELD: dict[tuple[str, str], _Held] = {}  # by directory and key
_MUTEX = threading.Lock()


def _let_go_in_child() -> None:
    """A forked child has its parent's descriptors, and would keep the locks of a parent that was killed."""
    global _MUTEX
    _MUTEX = threading.Lock()
    for held in _HELD.values():
        os.close(held.descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_let_go_in_child)


class FlockLockManager(LockManager):
    """Locks of result records, one file per key.

    What is held is kept in the module, not in the object, so that a copied or serialised manager is the same manager.

    Args:
        directory: where the lock files lie; they stay there (removing one would be a race).
        poll: seconds between two tries.
        waiting: told once for each lock that has to be waited for.
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
        """Waits for the lock. Raises TrainingInterrupted where the training is asked to stop meanwhile."""
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
        """`acquire_lock` for asynchronous callers."""
        end = _deadline(acquire_timeout)
        while not self._try(key, holder):
            if time.monotonic() >= end:
                return False
            _stop_if_asked()
            await asyncio.sleep(self.poll)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Lets go. Raises ValueError where the holder doesn't hold it."""
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
        """Whether anybody holds the lock, in this process or another."""
        with _MUTEX:
            return (self.directory, key) in _HELD or is_locked(self._path(key))

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether this holder holds the lock."""
        with _MUTEX:
            held = _HELD.get((self.directory, key))
            return held is not None and held.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Waits until nobody else holds the lock; False if that takes longer than `timeout` seconds.

        A lock of this thread is not waited for: the thread couldn't release it meanwhile.

        Raises:
            TrainingInterrupted: the training is asked to stop meanwhile.
        """
        end = _deadline(timeout)
        while self.is_locked(key) and not self._is_of_this_thread(key):
            if time.monotonic() >= end:
                return False
            _stop_if_asked()
            time.sleep(self.poll)
        return True

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """`wait_for_lock` for asynchronous callers."""
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
        """Takes the lock where nobody has it; whether this holder has it now.

        A thread does one thing at a time: a lock that it has already is left from an attempt that ended without giving
        it back, and passes on to the new holder. Otherwise the thread would wait for itself.

        Raises:
            StoreError: the system refuses; nothing is held.
        """
        with _MUTEX:
            held = _HELD.get((self.directory, key))
            if held is not None and held.holder != holder and thread is not None and held.thread == thread:
                held = _HELD[(self.directory, key)] = held._replace(holder=holder)
            if held is not None:
                return held.holder == holder
            path = self._path(key)
            with writing(path):
                make_folder(path.parent)
                descriptor = open_lock(path)
                try:
                    lease = lease_on(path)
                    taken = self._take(descriptor, lease, key)
                except BaseException:
                    os.close(descriptor)
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
        with contextlib.suppress(OSError):  # for people only: a full disk need not refuse a lock
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.uname().nodename} {os.getpid()} {key}\n".encode(), 0)
        return True


def _deadline(seconds: float | None) -> float:
    return float("inf") if seconds is None else time.monotonic() + seconds


def _stop_if_asked() -> None:
    if stop.requested:
        raise TrainingInterrupted("asked to stop while waiting for another run that trains the same epochs")
