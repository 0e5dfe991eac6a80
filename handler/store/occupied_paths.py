"""Places where a file of the store belongs but something else is: a directory, a link or a device."""

import contextlib
import os
import secrets
import stat
from pathlib import Path


def is_file(path: Path) -> bool:
    """Return whether a path is a regular file; a link is not, whatever its target."""
    with contextlib.suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def free_place(path: Path) -> None:
    """Quarantine a non-file at a place where a file of the store belongs, as `.damaged-*` in the same directory.

    Raises:
        OSError: the system refuses.
    """
    if os.path.lexists(path) and not is_file(path):
        with contextlib.suppress(FileNotFoundError):
            path.rename(choose_quarantine(path))


def choose_quarantine(path: Path) -> Path:
    """Return a new path in the same directory, where a damaged file or directory stays until the next collection."""
    return path.with_name(f".damaged-{secrets.token_hex(4)}-{path.name[:150]}")
