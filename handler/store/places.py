"""Places of the store that something else stands in: a folder, a link or a device where a file of ours belongs."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether a regular file stands here; a link is none, wherever it leads."""
    with contextlib.suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def free_place(path: Path) -> None:
    """Quarantines what is no regular file and stands where a file of the store belongs, as `.damaged-*` beside it.

    Raises:
        OSError: the system refuses.
    """
    if os.path.lexists(path) and not is_file(path):
        with contextlib.suppress(FileNotFoundError):
            path.rename(quarantine_of(path))


def quarantine_of(path: Path) -> Path:
    """A name beside a damaged file or folder under which it is kept until the next collection."""
    return path.with_name(f".damaged-{secrets.token_hex(4)}-{path.name[:150]}")


def open_lock(path: Path) -> int:
    """Opens a lock file for reading and writing; it is made where there is none.

    A lock that is a link would be taken somewhere else, so what is no regular file is quarantined first.

    Raises:
        OSError: the system refuses.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(OSError):
        descriptor = os.open(path, flags, 0o666)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    free_place(path)
    return os.open(path, flags, 0o666)
