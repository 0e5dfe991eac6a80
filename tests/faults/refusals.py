"""A failing disk: it counts a command's operations on its store, and one of them, or all from one on, fail.

Python calls the audit hook before it opens, renames, removes, truncates or locks a file. The hook raises the error that
the system would return. Frostline has no code for this.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from tests.faults.kill_points import TEMPORARY, WRITING, area

CREATES = ("create", "mkdir", "truncate")  # a full disk fails these; it still renames, removes and locks


def refuse(trace: str, store: str, number: int, at: str = "", nth: int = 1, *, lasting: bool = False) -> None:
    """Make operations on a store fail from now on.

    Args:
        trace: the file that gets a line per operation: its name, and the time; `!` marks those that fail.
        store: the store's directory.
        number: the system's error number (`errno`).
        at: the operation that fails; "" for none.
        nth: the number of its occurrence, from 1.
        lasting: later operations that create something fail too.
    """
    sys.addaudithook(Refuser(Path(trace), Path(store), number, at, nth, lasting).audit)


class Refuser:
    """The audit hook that counts operations, and fails some."""

    def __init__(self, trace: Path, store: Path, number: int, at: str, nth: int, lasting: bool) -> None:
        self.file = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.store, self.number, self.at, self.nth, self.lasting = store, number, at, nth, lasting
        self.passed, self.mutex = 0, threading.Lock()

    def audit(self, event: str, args: tuple) -> None:
        refusal = operation(event, args)
        if refusal is None:
            return
        kind, path = refusal
        if not path.is_relative_to(self.store):
            return
        parts = tuple(TEMPORARY.sub("", part) for part in path.relative_to(self.store).parts) or (".",)
        if parts[:2] == ("results", "locks"):
            name = f"results/locks {kind}"
        else:
            name = f"{area(parts, threading.current_thread().name)} {kind}"
        with self.mutex:
            self.passed += name == self.at
            fails = (name == self.at and self.passed == self.nth) or (
                self.lasting and self.passed >= self.nth and kind in CREATES
            )
        os.write(self.file, f"{'!' if fails else ' '}{name}\t{time.monotonic():.3f}\n".encode())
        if fails:
            raise OSError(self.number, os.strerror(self.number), str(path))


def operation(event: str, args: tuple) -> tuple[str, Path] | None:
    """Return the operation of an audit event, and its file; None for events that neither change nor lock a file."""
    if event == "open" and isinstance(args[0], str | os.PathLike) and args[2] & WRITING:
        return "create", Path(os.fspath(args[0]))
    if event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir") and isinstance(args[0], str | os.PathLike):
        return event.removeprefix("os."), Path(os.fspath(args[0]))
    if event == "os.truncate":
        return "truncate", of_descriptor(args[0])
    if event == "fcntl.flock":
        return "lock", of_descriptor(args[0])
    return None


def of_descriptor(file: int | str) -> Path:
    """Return the path of an open file, given its descriptor or path."""
    return Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else Path(file)
