"""Content that is what was written: digests, JSON files with a checksum of themselves, and what is said of others."""

from __future__ import annotations

import contextlib
import json
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash
from pydantic_core import to_json

from handler.errors import DamagedError, StoreError
from handler.store.files import unreadable

FORMAT = 1
BLOCK = 1 << 18  # what is read is still in the processor's cache when it is hashed
REMEMBERED = 64
_KNOWN: OrderedDict[Path, tuple[tuple[int, ...], dict[str, Any]]] = OrderedDict()


@dataclass(frozen=True)
class Damage:
    """One thing that isn't as it was written: which file, and what is wrong with it."""

    path: str
    what: str

    @classmethod
    def because(cls, error: StoreError) -> Damage:
        """What an error says, its file apart."""
        path, _, what = str(error).partition(": ")
        return cls(path, what)


def digest_bytes(data: bytes | memoryview) -> str:
    """xxh3-128 of bytes, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


def digest_file(path: Path) -> str:
    """xxh3-128 of a file's content, read in blocks."""
    state, block = xxhash.xxh3_128(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            state.update(block[:count])
    return state.hexdigest()


def read_checked(file: Path, form: int = FORMAT) -> dict[str, Any]:
    """Reads a JSON object with its own checksum, as `with_checksum` makes it.

    What this process has read already, and whose file is the same by inode, size and times, isn't read again; the
    values are shared, so they aren't to be changed.

    Args:
        file: the file.
        form: the format it has to have.

    Raises:
        DamagedError: it isn't there, isn't whole, or a later version of Frostline wrote it.
        StoreError: it can't be read.
    """
    try:
        about = file.stat()
        known = _KNOWN.get(file)
        if known is not None and known[0] == (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, form):
            _KNOWN.move_to_end(file)
            return dict(known[1])
        text = file.read_bytes()
    except OSError as error:
        raise unreadable(file, error) from error
    found = parse_checked(file, text, form)
    _remember(file, about, form, found)
    return dict(found)


def parse_checked(file: Path, text: str | bytes, form: int = FORMAT) -> dict[str, Any]:
    """The JSON object of a text with its own checksum. Raises as `read_checked`, naming the file."""
    try:
        found: dict[str, Any] = json.loads(text)
        checksum = found.pop("checksum")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{file}: isn't whole") from error
    if found.get("format") != form:
        raise DamagedError(f"{file}: has format {found.get('format')!r}, this version reads {form}")
    if checksum != digest_bytes(_canonical(found)):
        raise DamagedError(f"{file}: its checksum doesn't match its content")
    return found


def remember_written(file: Path, text: bytes, form: int = FORMAT) -> None:
    """Spares `read_checked` a file that this process has just written, of a text of `with_checksum`."""
    found = json.loads(text)
    del found["checksum"]
    with contextlib.suppress(OSError):
        _remember(file, file.stat(), form, found)


def _remember(file: Path, about: os.stat_result, form: int, found: dict[str, Any]) -> None:
    _KNOWN[file] = ((about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, form), found)
    while len(_KNOWN) > REMEMBERED:
        _KNOWN.popitem(last=False)


def with_checksum(body: dict[str, Any]) -> bytes:
    """A JSON object as text that ends with the checksum of the rest."""
    body = {key: value for key, value in body.items() if key != "checksum"}
    # Python's own writer is 20 times slower where it indents.
    return to_json({**body, "checksum": digest_bytes(_canonical(body))}, indent=1, inf_nan_mode="constants") + b"\n"


def content_damage(file: Path, digest: str) -> list[Damage]:
    """The damage of a file whose content hasn't the digest it should have; empty where it has.

    Raises:
        StoreError: it can't be read, though it may be intact.
    """
    try:
        return [] if digest_file(file) == digest else [Damage(str(file), "its content doesn't match its checksum")]
    except OSError as error:
        return damage_of(file, error)


def damage_of(file: Path, error: OSError) -> list[Damage]:
    """What a fault in reading a file says of it; raised where it says nothing."""
    refusal = unreadable(file, error)
    if not isinstance(refusal, DamagedError):
        raise refusal from error
    return [Damage.because(refusal)]


def require(wrong: list[Damage]) -> None:
    """Raises DamagedError with the first of some damages, if there is one."""
    if wrong:
        raise DamagedError(f"{wrong[0].path}: {wrong[0].what}")


def _canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
