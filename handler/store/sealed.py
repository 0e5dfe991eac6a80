"""Directories that are whole or absent.

A sealed directory is written beside its place, synced, given a manifest that lists every file with size and xxh3-128
and ends with the checksum of itself, and renamed. What has its name is whole; a kill at any moment leaves what was
there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handler.errors import DamagedError
from handler.store import mirror
from handler.store.checked import (
    FORMAT,
    Damage,
    content_damage,
    damage_of,
    digest_file,
    parse_checked,
    read_checked,
    remember_written,
    with_checksum,
)
from handler.store.files import remove as remove_here
from handler.store.files import set_aside, side_by_side, sync, workplace, write_file, writing

MANIFEST = "manifest.json"
DESCRIPTION = "zarr.json"


def files_below(directory: Path) -> dict[str, int]:
    """Size in bytes of every file below a directory, by its path relative to it; the manifest isn't one of them."""

    def refuse(error: OSError) -> None:
        raise error

    found = {}
    for folder, _, names in os.walk(directory, onerror=refuse):
        for name in names:
            file = Path(folder, name)
            found[file.relative_to(directory).as_posix()] = file.lstat().st_size
    found.pop(MANIFEST, None)
    return found


def seal(target: Path, body: dict[str, Any], fill: Callable[[Path], dict[str, str] | None]) -> None:
    """Writes a sealed directory. An intact one of that name stays as it is; a damaged one is set aside.

    Args:
        target: the directory's final name, which stands for its content: `<key>` or `<key>.zarr`.
        body: what the manifest says beside the list of files (plain JSON).
        fill: called with the temporary directory; writes the files, and may still change `body`. Returns the digests
            of those files that it has from what it wrote, by their path there; the others are read for theirs.

    Raises:
        StoreError: the disk refuses; nothing has the final name that didn't have it before.
    """
    if intact(target):
        if mirror.lost(target):
            mirror.publish(target, target, (target / MANIFEST).read_bytes())
        return
    with writing(target), workplace(target) as beside:
        beside.mkdir()
        known = fill(beside) or {}
        listed = []
        for name, size in sorted(files_below(beside).items()):
            sync(beside / name)
            listed.append({"path": name, "size": size, "xxh3": known.get(name) or digest_file(beside / name)})
        manifest = {"format": FORMAT, "key": key_of(target), **body, "files": listed}
        text = with_checksum(manifest)
        (beside / MANIFEST).write_bytes(text)
        sync(beside / MANIFEST)
        for folder, _, _ in os.walk(beside, topdown=False):
            sync(Path(folder))
        mirror.publish(target, beside, text)
        while True:
            try:
                beside.rename(target)
                break
            except OSError:
                if not os.path.lexists(target):
                    raise
            if target.exists() and not damages(target, deep=True):  # another writer of the same was faster
                return
            set_aside(target)
        sync(target.parent)
        remember_written(target / MANIFEST, text)


def intact(target: Path) -> bool:
    """Whether a sealed directory is here, or where the store's URL leads, every byte as it was written.

    One that isn't as it was written where the URL leads is removed there.
    """
    try:
        return there(target) and not damages(target, deep=True)
    except DamagedError:
        mirror.withdraw(target)
        return False


def there(target: Path) -> bool:
    """Whether a sealed directory is here, fetched where the store has a URL and it is only there.

    Raises:
        DamagedError: what is there isn't what was put there. StoreError: it can't be told.
    """
    return target.exists() or mirror.fetch(target)


def known(target: Path) -> bool:
    """Whether a sealed directory is here, or where the store's URL leads; it isn't fetched."""
    return target.exists() or mirror.exists(target)


def amend(target: Path, **changes: Any) -> None:
    """Changes what the manifest of a sealed directory says, in one atomic step.

    Raises:
        DamagedError: it has been removed meanwhile.
    """
    text = with_checksum({**read_manifest(target), **changes})
    if not mirror.replace_manifest(target, text):
        remove_here(target)
        raise DamagedError(f"{target}: has been removed")
    if target.exists():
        write_file(target / MANIFEST, text, beside=target)


def remove(target: Path, only_if: Callable[[dict[str, Any]], bool] | None = None) -> None:
    """Removes a sealed directory, whole or damaged; half removed it no longer has its name.

    Args:
        target: the directory.
        only_if: what its manifest has to say; asked of the one that is there, where the store has a URL.

    Raises:
        DamagedError: what its manifest says can't be read. StoreError: the system refuses.
    """
    if mirror.withdraw(target, only_if) and (only_if is None or not target.exists() or only_if(read_manifest(target))):
        remove_here(target)


def key_of(target: Path) -> str:
    """The key a sealed directory is named by."""
    return target.name.removesuffix(".zarr")


def read_manifest(target: Path) -> dict[str, Any]:
    """The manifest of a sealed directory, its own checksum and its key verified.

    Raises:
        DamagedError: there is none, it isn't whole, is that of another, or a later version of Frostline wrote it.
        StoreError: it can't be read.
    """
    text = None if target.exists() else mirror.manifest_text(target)
    manifest = read_checked(target / MANIFEST) if text is None else parse_checked(target / MANIFEST, text)
    if manifest.get("key") != key_of(target):
        raise DamagedError(f"{target / MANIFEST}: is that of {manifest.get('key')}")
    return manifest


def damages(target: Path, *, deep: bool = False) -> list[Damage]:
    """What is wrong with a sealed directory.

    Args:
        target: the directory.
        deep: read every byte; else names, sizes and zarr's descriptions are compared.

    Raises:
        StoreError: a file can't be read, though it may be intact.
    """
    try:
        manifest = read_manifest(target)
    except DamagedError as error:
        return [Damage.because(error)]
    try:
        found, wrong, read = files_below(target), list[Damage](), list[tuple[Path, str]]()
    except OSError as error:
        return damage_of(target, error)
    for entry in manifest["files"]:
        file, size = target / entry["path"], found.pop(entry["path"], None)
        if size is None:
            wrong.append(Damage(str(file), "is missing"))
        elif size != entry["size"]:
            wrong.append(Damage(str(file), f"has {size} bytes, the manifest says {entry['size']}"))
        elif deep or file.name == DESCRIPTION:
            read.append((file, entry["xxh3"]))
    wrong += [damage for found_there in side_by_side(lambda one: content_damage(*one), read) for damage in found_there]
    return wrong + [Damage(str(target / name), "isn't in the manifest") for name in sorted(found)]
