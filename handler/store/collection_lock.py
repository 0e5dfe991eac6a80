"""The lock between trainings and collections: trainings share it, a collection holds it exclusively.

All processes take the locks in one order:

1. the lock of a run (`RunStore.lock`);
2. the lock of the store, in this module; a training waits here for a collection to end;
3. the lock of a segment's result (`tasks/result_locks.py`);
4. the lock of `states/` (`StateStore`), held for a moment.

A collection takes the lock of the store first and then those of runs. It never waits for a lock: it is refused if a
training holds one. Therefore no two processes can wait for each other.

In a local store the lock is flock(2) on the store's directory, which needs no space on a full disk. A store at a URL
has a lease as well. A training takes the lease of its run before it looks for the lease of a collection, and a
collection takes its own before it looks for those of runs; therefore one of the two sees the other.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from handler.errors import BusyError, Interrupted
from handler.stop_flag import stop
from handler.store.atomic_files import as_store_errors, make_folder
from handler.store.file_lock import lock_folder
from handler.store.leases import new_lease, read_holder
from handler.store.locks import LEASE_POLL, POLL
from handler.store.remote_dirs import url_or_path

LEASE = "collection"


@contextlib.contextmanager
def hold_shared(root: Path, waiting: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Hold the shared lock of a store, which keeps collections off during a training.

    Args:
        root: the directory of the store; created if it is missing.
        waiting: called once with a sentence if a collection is in progress and must be waited for.

    Raises:
        Interrupted: the process was asked to stop while it waited.
        StoreError: the directory cannot be read or created.
    """
    said = False
    with as_store_errors(root):
        make_folder(root)
    while True:
        lock = _lock(root, alone=False)
        if lock is not None and read_holder(root / LEASE) is None:
            break
        if lock is not None:
            lock.close()
        if not said:
            said = True
            waiting(f"{url_or_path(root)}: another process is removing unneeded files; waiting for it to finish")
        if stop.requested:
            raise Interrupted(f"stopped by {stop.reason} while waiting: a collection is in progress")
        time.sleep(POLL if lock is None else LEASE_POLL)
    with lock:
        yield


@contextlib.contextmanager
def hold_exclusive(root: Path) -> Iterator[None]:
    """Hold the exclusive lock of a store for a collection.

    Raises:
        BusyError: a training or another collection is running in the store.
    """
    busy = f"{url_or_path(root)}: a training or another collection is running in it; run gc when it has finished"
    lock = _lock(root, alone=True)
    if lock is None:
        raise BusyError(busy)
    with lock:
        lease = new_lease(root / LEASE)
        if lease is not None and not lease.take():
            raise BusyError(busy)
        try:
            yield
        finally:
            if lease is not None:
                lease.release()


def _lock(root: Path, *, alone: bool) -> contextlib.ExitStack | None:
    """Return the held lock, or None if another process holds it.

    The stack is empty if the file system cannot lock directories (NFS).
    """
    stack = contextlib.ExitStack()
    try:
        stack.enter_context(lock_folder(root, alone=alone, at_once=True))
    except BlockingIOError:
        return None
    except OSError:
        return stack
    return stack
