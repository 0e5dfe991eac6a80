"""Digests of files, JSON files that contain their own checksum, and descriptions of damage."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash
from pydantic_core import to_json

from handler.errors import DamagedError, StoreError
from handler.store.atomic_files import unreadable

FORMAT = 1
BLOCK = 1 << 18  # so small that a block is still in the processor's cache when it is hashed
REMEMBERED = 64
STEP = "-step-"  # in the key of a state within an epoch


@dataclass(frozen=True)
class Damage:
    """A fault of a file or directory of the store.

    Attributes:
        path: the file or directory.
        what: the fault as a predicate, e.g. `is missing`.

    Example:
        >>> Damage("states/k1", "is missing").what
        'is missing'
    """

    path: str
    what: str

    @classmethod
    def because(cls, error: StoreError) -> Damage:
        """Return the damage that an error with the message `<path>: <what>` reports."""
        path, _, what = str(error).partition(": ")
        return cls(path, what)


def digest_bytes(data: bytes | memoryview) -> str:
    """Return the xxh3-128 digest of bytes, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


def digest_file(path: Path) -> str:
    """Return the xxh3-128 digest of a file's content, read in blocks."""
    state, block = xxhash.xxh3_128(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            state.update(block[:count])
    return state.hexdigest()


class FilesRead:
    """The contents of the files that were read or written last.

    A process has one such object, so that `REMEMBERED` limits the memory for all its stores.
    """

    def __init__(self) -> None:
        self._by_path: OrderedDict[Path, tuple[tuple[int, ...], dict[str, Any]]] = OrderedDict()

    def content(self, file: Path, about: os.stat_result) -> dict[str, Any] | None:
        """Return a file's content; None if it was not read, or has changed."""
        known = self._by_path.get(file)
        if known is None or known[0] != (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns):
            return None
        with contextlib.suppress(KeyError):  # another thread has just dropped it
            self._by_path.move_to_end(file)
        return known[1]

    def add(self, file: Path, about: os.stat_result, content: dict[str, Any]) -> None:
        """Add a file, and drop the least recently used one if there are too many."""
        self._by_path[file] = ((about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns), content)
        while len(self._by_path) > REMEMBERED:
            self._by_path.popitem(last=False)


_files_read = FilesRead()


def read_checked(file: Path) -> dict[str, Any]:
    """Return the JSON object that `with_checksum` wrote to a file, without its checksum.

    A file that this process has read before is not read again if its inode, size and times are unchanged. The nested
    values of the result are shared between calls, so callers must not modify them.

    Raises:
        DamagedError: the file is missing, is not whole, or was written by a later version of Frostline.
        StoreError: the file cannot be read.
    """
    try:
        about = file.stat()
        known = _files_read.content(file, about)
        if known is not None:
            return dict(known)
        text = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    content = parse_checked(file, text)
    _files_read.add(file, about, content)
    return dict(content)


def parse_checked(file: Path, text: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a text, as `read_checked` does. Raise `DamagedError`, which names the file."""
    try:
        content: dict[str, Any] = json.loads(text)
        checksum = content.pop("checksum")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{file}: is incomplete") from error
    if content.get("format") != FORMAT:  # guard: format-number
        raise DamagedError(f"{file}: has format {content.get('format')!r}, this version reads {FORMAT}")
    if checksum != digest_bytes(_canonical(content)):  # guard: manifest-checksum
        raise DamagedError(f"{file}: its checksum doesn't match its content")
    return content


def remember_written(file: Path, text: bytes) -> None:
    """Add a file that this process has just written to the cache of `read_checked`; `text` is its content."""
    content = json.loads(text)
    del content["checksum"]
    with contextlib.suppress(OSError):
        _files_read.add(file, file.stat(), content)


def with_checksum(body: dict[str, Any]) -> bytes:
    """Return a JSON object as text, with the checksum of the other entries as its last entry."""
    body = {key: value for key, value in body.items() if key != "checksum"}
    # Python's own JSON writer is 20 times slower when it indents.
    return to_json({**body, "checksum": digest_bytes(_canonical(body))}, indent=1, inf_nan_mode="constants") + b"\n"


def content_damage(file: Path, digest: str) -> list[Damage]:
    """Return the damage of a file whose content does not match a digest; empty if it matches.

    Raises:
        StoreError: the file cannot be read, although it may be intact.
    """
    try:
        return [] if digest_file(file) == digest else [Damage(str(file), "its content doesn't match its checksum")]
    except OSError as error:
        return diagnose_error(file, error)


def diagnose_error(file: Path, error: OSError) -> list[Damage]:
    """Return the damage that an error in reading a file proves.

    Raises:
        StoreError: the error proves no damage.
    """
    refusal = unreadable(file, error)
    if not isinstance(refusal, DamagedError):
        raise refusal from error
    return [Damage.because(refusal)]


def raise_first(wrong: list[Damage]) -> None:
    """Raise `DamagedError` with the first of the damages, if there is one."""
    if wrong:
        raise DamagedError(f"{wrong[0].path}: {wrong[0].what}")


def _canonical(body: Any, *, allow_nan: bool = True) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=allow_nan).encode()


def compute_key(data: Any, *, allow_nan: bool = False) -> str:
    """Return the key of JSON-able data, whatever the order of its mappings.

    Raises:
        ValueError: the data contain NaN or an infinite number, which are not JSON, and `allow_nan` is False.
    """
    return compute_text_key(_canonical(data, allow_nan=allow_nan).decode())


def compute_text_key(text: str) -> str:
    """Return the key of a text: the first 32 hex digits of its sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def snapshot_key(key: str, step: int) -> str:
    """Return the key of the state `step` steps into an epoch; `key` is that of the state at the epoch's end."""
    return f"{key}{STEP}{step}"


def parse_state_key(name: str) -> tuple[str, int]:
    """Return the key of the state at an epoch's end and the step; the step is 0 if the state is at the end."""
    key, _, step = name.partition(STEP)
    return key, int(step) if step.isdigit() else 0
