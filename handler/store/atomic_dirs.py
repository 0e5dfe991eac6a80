"""Sealed directories: directories that are either complete or absent.

A sealed directory is written under another name, synced, given a manifest and renamed. The manifest lists every file
with its size and xxh3-128 digest and ends with its own checksum. A directory with its final name is complete. A kill
at any moment leaves the previous content in place.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handler.errors import DamagedError, StoreError
from handler.store import atomic_files, remote_dirs
from handler.store.atomic_files import as_store_errors, parallel_map, quarantine, sync, temporary_sibling, write_file
from handler.store.atomic_files import remove as remove_here
from handler.store.checksums import (
    FORMAT,
    Damage,
    content_damage,
    diagnose_error,
    digest_file,
    parse_checked,
    read_checked,
    remember_written,
    with_checksum,
)
from handler.store.file_lock import lock_folder

MANIFEST = "manifest.json"
DESCRIPTION = "zarr.json"


def files_below(directory: Path) -> dict[str, int]:
    """Return the size in bytes of every file below a directory, by its path relative to it, without the manifest."""

    def refuse(error: OSError) -> None:
        raise error

    files = {}
    for folder, _, names in os.walk(directory, onerror=refuse):
        for name in names:
            file = Path(folder, name)
            files[file.relative_to(directory).as_posix()] = file.lstat().st_size
    files.pop(MANIFEST, None)
    return files


def commit_dir(target: Path, body: dict[str, Any], fill: Callable[[Path], dict[str, str] | None]) -> None:
    """Write a sealed directory, unless there is an intact one of that name; quarantine a damaged one.

    An intact one that is missing at the store's URL is uploaded again.

    Args:
        target: the final path of the directory. Its name, `<key>` or `<key>.zarr`, identifies the content.
        body: the manifest's entries other than the list of files (plain JSON).
        fill: called with the temporary directory. It writes the files and may still change `body`. It returns the
            digests it knows, by path relative to the temporary directory. The other files are read for their digests.

    Raises:
        StoreError: the system refuses to write; no incomplete directory has the final name.
    """
    if is_intact(target):
        if remote_dirs.is_deleted_remotely(target):
            remote_dirs.publish(target, target, (target / MANIFEST).read_bytes())
        return
    with as_store_errors(target), temporary_sibling(target) as beside:
        beside.mkdir()  # guard: directory-written-aside
        known = fill(beside) or {}
        listed = []
        for name, size in sorted(files_below(beside).items()):
            sync(beside / name)  # guard: files-durable-before-rename
            listed.append({"path": name, "size": size, "xxh3": known.get(name) or digest_file(beside / name)})
        manifest = {"format": FORMAT, "key": folder_key(target), **body, "files": listed}
        text = with_checksum(manifest)
        (beside / MANIFEST).write_bytes(text)
        sync(beside / MANIFEST)  # guard: manifest-durable-before-rename
        for folder, _, _ in os.walk(beside, topdown=False):
            sync(Path(folder))
        remote_dirs.publish(target, beside, text)
        while True:
            try:
                beside.rename(target)
                break
            except OSError:
                if not os.path.lexists(target):
                    raise
            # guard: first-writer-wins
            if target.exists() and not damages(target, deep=True):  # another writer of the same directory was faster
                return
            quarantine(target)  # guard: damaged-directory-replaced
        sync(target.parent)
        remember_written(target / MANIFEST, text)


def is_intact(target: Path) -> bool:
    """Return whether a sealed directory exists, locally or at the store's URL, with every byte intact.

    One that is damaged at the URL is removed there.
    """
    try:
        return ensure_local(target) and not damages(target, deep=True)
    except DamagedError:
        remote_dirs.delete_remote(target)
        return False


def ensure_local(target: Path) -> bool:
    """Return whether a sealed directory exists, after downloading one that is only at the store's URL.

    Raises:
        DamagedError: the directory at the URL is damaged.
        StoreError: the directory cannot be read or written.
    """
    return target.exists() or remote_dirs.fetch(target)


def exists_anywhere(target: Path) -> bool:
    """Return whether a sealed directory exists, locally or at the store's URL, without downloading it."""
    return target.exists() or remote_dirs.exists(target)


def update_manifest(target: Path, **changes: Any) -> None:
    """Change entries of a sealed directory's manifest, atomically.

    Raises:
        DamagedError: the directory has been removed meanwhile.
    """
    text = with_checksum({**read_manifest(target), **changes})
    if not remote_dirs.replace_manifest(target, text):
        remove_here(target)
        raise DamagedError(f"{target}: has been removed")
    if target.exists():
        write_file(target / MANIFEST, text, beside=target)  # guard: manifest-written-above


def remove(target: Path, only_if: Callable[[dict[str, Any]], bool] | None = None) -> None:
    """Remove a sealed directory, intact or damaged; a removal that is killed halfway leaves nothing under its name.

    `only_if` is a condition on its manifest. For a store at a URL, the manifest there must meet it too.

    Raises:
        DamagedError: the manifest cannot be read.
        StoreError: the system refuses.
    """
    if remote_dirs.delete_remote(target, only_if) and (
        only_if is None or not target.exists() or only_if(read_manifest(target))
    ):
        remove_here(target)


def folder_key(target: Path) -> str:
    """Return the key in the name of a sealed directory."""
    return target.name.removesuffix(".zarr")


def read_manifest(target: Path) -> dict[str, Any]:
    """Return the manifest of a sealed directory, after verifying its checksum and its key.

    Raises:
        DamagedError: the manifest is missing, damaged, of another directory, or of a later version of Frostline.
        StoreError: the manifest cannot be read.
    """
    text = None if target.exists() else remote_dirs.manifest_text(target)
    manifest = read_checked(target / MANIFEST) if text is None else parse_checked(target / MANIFEST, text)
    if manifest.get("key") != folder_key(target):  # guard: manifest-key
        raise DamagedError(f"{target / MANIFEST}: is the manifest of {manifest.get('key')}")
    return manifest


def damages(target: Path, *, deep: bool = False) -> list[Damage]:
    """Return the damage of a sealed directory.

    With `deep` every byte is read. Otherwise only names, sizes and zarr's array descriptions are compared.

    Raises:
        StoreError: a file cannot be read, although it may be intact.
    """
    try:
        manifest = read_manifest(target)
    except DamagedError as error:
        return [Damage.because(error)]
    try:
        files, wrong, read = files_below(target), list[Damage](), list[tuple[Path, str]]()
    except OSError as error:
        return diagnose_error(target, error)
    for entry in manifest["files"]:
        file, size = target / entry["path"], files.pop(entry["path"], None)
        if size is None:
            wrong.append(Damage(str(file), "is missing"))  # guard: missing-file-is-damage
        elif size != entry["size"]:  # guard: file-sizes-in-manifest
            wrong.append(Damage(str(file), f"has {size} bytes, the manifest says {entry['size']}"))
        elif deep or file.name == DESCRIPTION:  # guard: array-description-always-read
            read.append((file, entry["xxh3"]))  # guard: file-checksums-in-manifest
    wrong += [damage for found_there in parallel_map(lambda one: content_damage(*one), read) for damage in found_there]
    # guard: unlisted-file-is-damage
    return wrong + [Damage(str(target / name), "is not in the manifest") for name in sorted(files)]


def drop_unneeded(*backups: Path) -> None:
    """Remove those of the backups that no process holds, such as those of processes that have ended."""
    for backup in backups:
        # Another process holds it, or the next collection removes it.
        with contextlib.suppress(OSError, StoreError), lock_folder(backup, alone=True):
            atomic_files.remove(backup)
