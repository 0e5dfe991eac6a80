"""The kinds of damage and the kinds of files, for the table of damages and for the damage soak."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

IN_A_FOLDER = "something"

# ---- the damages


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    put(file, bytes(data))


def truncate(file: Path) -> None:
    data = file.read_bytes()
    put(file, data[: len(data) // 2])


def empty(file: Path) -> None:
    put(file, b"")


def delete(file: Path) -> None:
    file.unlink()


def swap(file: Path) -> None:
    """Exchange the contents of the file and another file."""
    other = sibling(file)
    one, two = file.read_bytes(), other.read_bytes()
    put(file, two)
    put(other, one)


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / IN_A_FOLDER).write_text("of somebody else")


def replace_by_link(file: Path) -> None:
    """Replace the file by a link that leads nowhere, out of the store."""
    file.unlink()
    file.symlink_to("/nonexistent/of/somebody/else")


def make_unreadable(file: Path) -> None:
    """Replace the file by a socket, which the system refuses to open.

    Root may read any file regardless of its mode. Opening a socket fails with ENXIO which, like EACCES, reveals nothing
    about the content.
    """
    file.unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{folder}/{file.name}")  # a socket's path may have 107 bytes at most
    finally:
        os.close(folder)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped": flip,
    "truncated": truncate,
    "emptied": empty,
    "deleted": delete,
    "swapped": swap,
    "a folder": replace_by_folder,
    "a dangling link": replace_by_link,
    "unreadable": make_unreadable,
}


def put(file: Path, data: bytes) -> None:
    """Write a new file, because a copy of a store may share its files with the original."""
    file.unlink(missing_ok=True)
    file.write_bytes(data)


def sibling(file: Path) -> Path:
    """Return another file of the same kind, or else the nearest other file of the store."""
    kin = sorted(file.parent.parent.glob(f"*/{file.name}"))
    store = next(parent for parent in file.parents if (parent / "states").is_dir())  # other damages run beside this store
    near = (p for parent in file.parents if parent.is_relative_to(store) for p in sorted(parent.rglob("*")))
    others = (p for p in (*kin, *near) if p != file and p.is_file() and ".damaged-" not in str(p) and p.stat().st_size)
    return next(p for p in others if p.read_bytes() != file.read_bytes())


# ---- the files


def chunk(folder: Path) -> Path:
    """Return the largest file of an array."""
    files = [p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".json")]
    return max(files, key=lambda p: (p.stat().st_size, str(p)))


def first(paths) -> Path:
    return sorted(p for p in paths if p.is_file())[0]


# Each kind's file, given the store and its run's record.
KINDS: dict[str, Callable] = {
    "first state's manifest": lambda store, record: store / "states" / record.chain[0] / "manifest.json",
    "first state's variables": lambda store, record: chunk(store / "states" / record.chain[0]),
    "inner state's manifest": lambda store, record: store / "states" / record.segments[1].state / "manifest.json",
    "inner state's variables": lambda store, record: chunk(store / "states" / record.segments[1].state),
    "last state's manifest": lambda store, record: store / "states" / record.state / "manifest.json",
    "last state's variables": lambda store, record: chunk(store / "states" / record.state),
    "run.json": lambda store, record: store / "runs" / record.run / "run.json",
    "spec.yaml": lambda store, record: store / "runs" / record.run / "spec.yaml",
    "model.keras": lambda store, record: store / "runs" / record.run / "model.keras",
    "report.html": lambda store, record: store / "runs" / record.run / "report.html",
    "history.csv": lambda store, record: store / "runs" / record.run / "history.csv",
    "log.csv": lambda store, record: store / "runs" / record.run / "log.csv",
    "log.csv's marks": lambda store, record: store / "runs" / record.run / ".log.csv.marks",
    "run's lock": lambda store, record: store / "runs" / record.run / "lock",
    "plan": lambda store, record: first((store / "plans").glob("*.json")),
    "store's mark": lambda store, record: store / ".frostline-store",
    "digests.json": lambda store, record: store / "digests.json",
    "result": lambda store, record: store / "results" / f"segment-{record.state}",
    "result's lock": lambda store, record: lock_of(store, record.state),
    "prefix's manifest": lambda store, record: first((store / "prefixes").glob("*.zarr/manifest.json")),
    "prefix's chunk": lambda store, record: chunk(store / "prefixes"),
    "prefit's manifest": lambda store, record: first((store / "prefit").glob("*.zarr/manifest.json")),
    "prefit's chunk": lambda store, record: chunk(store / "prefit"),
    "backup's chunk": lambda store, record: chunk(store / "backups"),
}


def lock_of(store: Path, state: str) -> Path:
    """Return the path of the lock for a segment's result."""
    from tasks.result_locks import FlockLockManager

    key = f"segment-{state}"
    with tempfile.TemporaryDirectory() as other:  # the file's name depends on the key alone
        locks = FlockLockManager(other)
        assert locks.acquire_lock(key, "damage", acquire_timeout=0)
        [file] = Path(other).iterdir()
        locks.release_lock(key, "damage")
    return store / "results" / "locks" / file.name


def copy_store(store: Path, to: Path) -> Path:
    """Copy a store by hard links, since damages remove and write files, but never change them in place."""
    return Path(shutil.copytree(store, to, copy_function=os.link, symlinks=True))
