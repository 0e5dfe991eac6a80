"""Directories that are whole or absent.

A sealed directory is written under a temporary name beside its place, synced, given a manifest that lists every file
with size and xxh3-128 and ends with the checksum of itself, and renamed. What has its name is whole; a kill at any
moment leaves what was there before and a leftover `.tmp-*`, swept up later.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from handler.errors import DamagedError, StoreError

MANIFEST = "manifest.json"
FORMAT = 1
BLOCK = 1 << 22


@dataclass(frozen=True)
class Damage:
    """One thing that isn't as the manifest says: which file, and what is wrong with it."""

    path: str
    what: str


def digest_bytes(data: bytes | memoryview) -> str:
    """xxh3-128 of bytes, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


def digest_file(path: Path) -> str:
    """xxh3-128 of a file's content, read in blocks."""
    state = xxhash.xxh3_128()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
    return state.hexdigest()


def sync(path: Path) -> None:
    """Makes a file or a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, data: bytes) -> None:
    """Writes a file whole: beside, synced, renamed over what was there."""
    with replacing(path) as beside, beside.open("wb") as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a name beside `path` to write to; what was written there is synced and renamed over `path`.

    The suffix is kept, since some writers look at it. Raises StoreError where the disk refuses.
    """
    beside = path.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        raise StoreError(
            f"{path}: can't be written ({error.strerror or error}); what was there before is untouched"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def files_below(directory: Path) -> dict[str, int]:
    """Size in bytes of every file below a directory, by its path relative to it; the manifest isn't one of them."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            file = Path(folder, name)
            found[file.relative_to(directory).as_posix()] = file.stat().st_size
    found.pop(MANIFEST, None)
    return found


def seal(target: Path, body: dict[str, Any], fill: Callable[[Path], None]) -> dict[str, Any]:
    """Writes a sealed directory, replacing an older one of that name.

    Args:
        target: the directory's final name.
        body: what the manifest says beside the list of files (plain JSON).
        fill: called with the temporary directory; writes the files, and may still change `body`.

    Returns:
        The manifest as written.

    Raises:
        StoreError: the disk refuses; nothing has the final name that didn't have it before.
    """
    beside = target.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{target.name}")
    try:
        beside.mkdir(parents=True)
        fill(beside)
        listed = []
        for name, size in sorted(files_below(beside).items()):
            sync(beside / name)
            listed.append({"path": name, "size": size, "xxh3": digest_file(beside / name)})
        manifest = {"format": FORMAT, **body, "files": listed}
        (beside / MANIFEST).write_bytes(_with_checksum(manifest))
        sync(beside / MANIFEST)
        for folder, _, _ in os.walk(beside):
            sync(Path(folder))
        if target.exists():
            shutil.rmtree(retire(target))
        beside.rename(target)
        sync(target.parent)
        return manifest
    except OSError as error:
        raise StoreError(
            f"{target}: can't be written ({error.strerror or error}); the store is as it was before"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def amend(target: Path, **changes: Any) -> None:
    """Changes what the manifest of a sealed directory says, in one atomic step."""
    manifest = {**read_manifest(target), **changes}
    write_file(target / MANIFEST, _with_checksum(manifest))


def read_manifest(target: Path) -> dict[str, Any]:
    """The manifest of a sealed directory, its own checksum verified.

    Raises:
        DamagedError: there is none, it isn't whole, or a later version of Frostline wrote it.
    """
    file = target / MANIFEST
    try:
        text = file.read_bytes()
    except OSError as error:
        raise DamagedError(f"{file}: can't be read ({error.strerror})") from error
    try:
        manifest = json.loads(text)
        checksum = manifest.pop("checksum")
    except (ValueError, KeyError, AttributeError) as error:
        raise DamagedError(f"{file}: isn't a whole manifest") from error
    if manifest.get("format") != FORMAT:
        raise DamagedError(f"{file}: has format {manifest.get('format')!r}, this version reads {FORMAT}")
    if checksum != digest_bytes(_canonical(manifest)):
        raise DamagedError(f"{file}: its checksum doesn't match its content")
    return manifest


def damages(target: Path, *, deep: bool = False) -> list[Damage]:
    """What is wrong with a sealed directory: sizes and names always, every byte with `deep`."""
    try:
        manifest = read_manifest(target)
    except DamagedError as error:
        file, _, what = str(error).partition(": ")
        return [Damage(file, what)]
    found, wrong = files_below(target), []
    for entry in manifest["files"]:
        file, size = target / entry["path"], found.pop(entry["path"], None)
        if size is None:
            wrong.append(Damage(str(file), "is missing"))
        elif size != entry["size"]:
            wrong.append(Damage(str(file), f"has {size} bytes, the manifest says {entry['size']}"))
        elif deep and digest_file(file) != entry["xxh3"]:
            wrong.append(Damage(str(file), "its content doesn't match its checksum"))
    return wrong + [Damage(str(target / name), "isn't in the manifest") for name in sorted(found)]


def set_aside(target: Path) -> Path:
    """Takes a damaged directory out of use without deleting it: renamed to `.damaged-*` beside its place."""
    return target.rename(target.with_name(f".damaged-{secrets.token_hex(4)}-{target.name}"))


def leftovers(folder: Path) -> list[Path]:
    """The `.tmp-*` entries of a folder whose writer is gone."""
    if not folder.is_dir():
        return []
    return [path for path in folder.glob(".tmp-*") if not _alive(path.name.split("-")[1])]


def _alive(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists() if Path("/proc").is_dir() else False


def retire(target: Path) -> Path:
    """Gives a directory a temporary name, so that removing it can be interrupted."""
    return target.rename(target.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{target.name}"))


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()


def _with_checksum(manifest: dict[str, Any]) -> bytes:
    manifest = {key: value for key, value in manifest.items() if key != "checksum"}
    return json.dumps({**manifest, "checksum": digest_bytes(_canonical(manifest))}, indent=1).encode()
