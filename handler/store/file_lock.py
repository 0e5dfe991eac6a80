"""The lock of a process on a file or directory: flock(2), which the kernel drops when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from handler.store.occupied_paths import free_place


# See docs/decisions/0057-one-class-of-file-locks.md.
class FileLock:
    """An open file or directory, which this process can lock against other processes and other objects of this class.

    Only the kernel decides whether the lock is held. The text of a lock file names the last holder, for people.

    Args:
        descriptor: the open file or directory; `close` closes it.
    """

    _open: ClassVar[set[FileLock]] = set()

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        FileLock._open.add(self)

    @classmethod
    def of_file(cls, path: Path, mode: int = 0o666) -> FileLock:
        """Open a lock file, and create it if it is missing.

        A lock on a link would lock another file. Therefore anything but a regular file is quarantined first.

        Args:
            path: the lock file.
            mode: the permissions of a new file, which the umask reduces.

        Raises:
            OSError: the system refuses.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        with contextlib.suppress(OSError):
            descriptor = os.open(path, flags, mode)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return cls(descriptor)
            os.close(descriptor)
        free_place(path)
        return cls(os.open(path, flags, mode))

    @classmethod
    def of_folder(cls, path: Path) -> FileLock:
        """Open a directory."""
        return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY))

    def acquire(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock, and return whether this object holds it now.

        Args:
            shared: allow other shared holders.
            wait: wait for the present holder.

        Raises:
            OSError: the system refuses. NFS has no locks for directories.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Release the lock, but keep the file open."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def is_at(self, path: Path) -> bool:
        """Return whether a path still names the open file, which may have been removed or replaced."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(path.stat(), os.fstat(self._descriptor))
        return False

    def holder(self) -> str:
        """Return the text of a lock file, which describes the last holder; empty if it wrote none."""
        return os.pread(self._descriptor, 200, 0).decode(errors="replace").strip()

    def write_holder(self) -> None:
        """Describe this process in the lock file; a full disk must not prevent the lock."""
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        text = f"process {os.getpid()} on {os.uname().nodename} since {now}\n".encode()
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))  # after the write: a concurrent reader always finds a holder

    def close(self) -> None:
        """Release the lock and close the file; do nothing the second time, and in a forked child."""
        if self in FileLock._open:
            FileLock._open.remove(self)
            os.close(self._descriptor)

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @staticmethod
    def _close_in_child() -> None:
        """Close the files in a forked child, which would otherwise keep the locks of a parent that was killed."""
        for lock in FileLock._open:
            with contextlib.suppress(OSError):
                os.close(lock._descriptor)
        FileLock._open.clear()


os.register_at_fork(after_in_child=FileLock._close_in_child)  # guard: lock-released-in-fork


def lock_folder(path: Path, *, alone: bool = False, at_once: bool = False, follow: bool = True) -> FileLock:
    """Lock a directory, shared or exclusively.

    Args:
        path: the directory.
        alone: take the lock exclusively, without waiting for other holders.
        at_once: do not wait for an exclusive holder.
        follow: False refuses a link to a directory.

    Returns:
        The lock, held until it is closed.

    Raises:
        FileNotFoundError: the directory is missing or was removed meanwhile.
        BlockingIOError: another process holds the lock.
    """
    lock = FileLock(os.open(path, os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW)))
    try:
        if not lock.acquire(shared=not alone, wait=not (alone or at_once)):
            raise BlockingIOError(path)
        if not lock.is_at(path):
            raise FileNotFoundError(path)
    except OSError:
        lock.close()
        raise
    return lock
