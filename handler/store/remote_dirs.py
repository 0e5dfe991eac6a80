"""A store at a URL, and its local working directory.

The working directory is a store like any other. The process that opened the store by its URL keeps in memory which
URL belongs to which working directory. A sealed directory is uploaded before it gets its name locally, and downloaded
if it is missing locally. A remote sealed directory exists through an object `<name>.commit`, which is put last and
never over another valid commit. Its files lie in `<name>/<writer>/`, so that two writers of the same directory do not
touch each other's files. Removing a sealed directory replaces its commit by a tombstone.

In this module, *local* means in the working directory, and *remote* means at the URL. For a store without a URL, the
functions find nothing and upload nothing.
"""

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import xxhash

from handler.errors import DamagedError, SpecError
from handler.store.atomic_files import parallel_map, sync, temporary_sibling
from handler.store.checksums import parse_checked
from handler.store.object_store import Remote, parse_url, remote_at

COMMIT, GONE = ".commit", b"gone"
SEALED = ("states", "prefit", "prefixes", "backups")
LEFT_SECONDS = 24 * 3600.0  # no write takes longer


class WorkingDirs:
    """The working directories of stores at a URL, for the whole process: most functions get only a local path."""

    urls: ClassVar[dict[Path, str]] = {}


def local_root(store: str | Path) -> Path:
    """Return the local directory of a store.

    For a URL this is the working directory, below `FROSTLINE_CACHE` or `~/.cache/frostline`.

    Raises:
        SpecError: the URL cannot be used, or `store` is blank, for example from an unset shell variable.
    """
    if not str(store).strip():
        raise SpecError("store", f"must be a folder's path or a URL, not {str(store)!r}; give '.' for this folder")
    url = parse_url(store)
    if url is None:
        return Path(store).absolute()
    remote_at(url)
    cache = Path(os.environ.get("FROSTLINE_CACHE") or "~/.cache/frostline").expanduser().absolute()
    return register_working_dir(cache / xxhash.xxh3_128_hexdigest(url.encode()), url)


def register_working_dir(root: Path, url: str) -> Path:
    """Make a directory the working directory of the store at a URL, for this process, and return it."""
    WorkingDirs.urls[root] = url
    return root


def url_or_path(root: Path) -> str:
    """Return a store as the user gave it: its URL, or its directory."""
    return WorkingDirs.urls.get(root) or str(root)


def find_remote(path: Path) -> tuple[Remote, str] | None:
    """Return the object store behind a local path and the path's name there, or None for a local store."""
    if WorkingDirs.urls:
        for folder in (path, *path.parents):
            if folder in WorkingDirs.urls:
                return remote_at(WorkingDirs.urls[folder]), path.relative_to(folder).as_posix()
    return None


# See docs/decisions/0030-url-store-has-a-local-folder.md.
def publish(target: Path, beside: Path, manifest: bytes) -> None:
    """Upload a sealed directory and commit it, so that other processes find it.

    If another writer has committed the same directory first, the uploaded files are deleted again.

    Args:
        target: the final path of the directory.
        beside: the directory that holds the files at present.
        manifest: the text of its manifest.

    Raises:
        StoreError: the service refuses or cannot be reached.
    """
    location = find_remote(target)
    if location is None:
        return
    remote, name = location
    writer = f"{os.getpid()}-{secrets.token_hex(6)}"
    listed = [entry["path"] for entry in json.loads(manifest)["files"]]
    parallel_map(lambda file: remote.put(f"{name}/{writer}/{file}", beside / file), listed)
    commit = json.dumps({"writer": writer, "manifest": manifest.decode()}).encode()
    while not remote.create(name + COMMIT, commit):
        other = remote.get(name + COMMIT)
        if other is not None and _read(other[0]) is not None:  # another writer committed first
            remote.delete(f"{name}/{writer}/{file}" for file in listed)
            return
        if other is not None and remote.compare_and_swap(name + COMMIT, commit, other[1]):
            return


def fetch(target: Path) -> bool:
    """Download a sealed directory, comparing every file with its checksum, and return whether there is a remote one.

    Raises:
        DamagedError: a remote file is missing or differs from its checksum.
        StoreError: a file cannot be read or written.
    """
    location = find_remote(target)
    committed = None if location is None else _committed(target)
    if location is None or committed is None:
        return False
    remote, name = location
    text, writer, _ = committed
    listed = _parse_manifest(target, text)["files"]
    with temporary_sibling(target) as beside:
        beside.mkdir()

        def get(entry: dict[str, Any]) -> None:
            file, path = beside / path_within(target, entry["path"]), f"{name}/{writer}/{entry['path']}"
            got = remote.get(path)
            if got is None:
                raise DamagedError(f"{remote.url}/{path}: is missing")
            if xxhash.xxh3_128_hexdigest(got[0]) != entry["xxh3"]:  # guard: fetched-file-checksum
                raise DamagedError(f"{remote.url}/{path}: its content doesn't match its checksum")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(got[0])
            sync(file)

        parallel_map(get, listed)
        (beside / "manifest.json").write_text(text)
        sync(beside / "manifest.json")
        if not target.exists():
            beside.rename(target)
            sync(target.parent)
    return True


def manifest_text(target: Path) -> str | None:
    """Return the manifest of a remote sealed directory, or None if there is none."""
    committed = _committed(target)
    return None if committed is None else committed[0]


def exists(target: Path) -> bool:
    """Return whether there is a remote sealed directory."""
    return _committed(target) is not None


def is_deleted_remotely(target: Path) -> bool:
    """Return whether the store has a URL and a sealed directory is missing there: another machine removed it."""
    return find_remote(target) is not None and not exists(target)


def remote_names(folder: Path) -> set[str]:
    """Return the names of the remote sealed directories in a directory."""
    location = find_remote(folder)
    if location is None:
        return set()
    listed = location[0].list_directly_below(location[1])
    return {name.removesuffix(COMMIT) for name, size in listed.items() if name.endswith(COMMIT) and size > len(GONE)}


def replace_manifest(target: Path, text: bytes) -> bool:
    """Replace the manifest of a remote sealed directory, whose files stay.

    Returns:
        False if the directory has been removed meanwhile; True also for a local store.
    """
    location = find_remote(target)
    while location is not None:
        committed = _committed(target)
        if committed is None:
            return False
        commit = json.dumps({"writer": committed[1], "manifest": text.decode()}).encode()
        if location[0].compare_and_swap(location[1] + COMMIT, commit, committed[2]):
            return True
    return True


def delete_remote(target: Path, only_if: Callable[[dict[str, Any]], bool] | None = None) -> bool:
    """Remove a remote sealed directory, if its manifest meets the condition `only_if`.

    Returns:
        Whether there is no remote directory now; True also for a local store.
    """
    location = find_remote(target)
    while location is not None:
        remote, name = location
        committed = _committed(target)
        if committed is None:
            return True
        if only_if is not None and not only_if(_parse_manifest(target, committed[0])):  # guard: remote-snapshot-checked
            return False
        if remote.compare_and_swap(name + COMMIT, GONE, committed[2]):
            remote.delete(remote.list_below(f"{name}/{committed[1]}"))
            return True
    return True


def stale_objects(root: Path) -> list[str]:
    """Return the remote objects without an owner: files of writers that died, and tombstones.

    Objects of the last day are not returned, because they may be being written.
    """
    location = find_remote(root)
    old: list[str] = []
    if location is None:
        return old
    before = time.time() - LEFT_SECONDS
    for part in SEALED:
        commits = remote_names(root / part)
        for name, modified in location[0].list_below(part).items():
            kept, _, rest = name.removeprefix(f"{part}/").partition("/")
            has_owner = rest.partition("/")[0] == _writer(root / part / kept) if rest and kept in commits else not rest
            is_tombstone = not rest and kept.endswith(COMMIT) and kept.removesuffix(COMMIT) not in commits
            if modified < before and (is_tombstone or not has_owner):
                old.append(name)
    return old


def remove_stale_objects(root: Path, names: list[str]) -> None:
    """Remove the objects that `stale_objects` returned."""
    location = find_remote(root)
    if location is not None:
        location[0].delete(names)


def _writer(target: Path) -> str | None:
    committed = _committed(target)
    return None if committed is None else committed[1]


def _committed(target: Path) -> tuple[str, str, str] | None:
    """Return the manifest, the writer and the commit's etag of a remote sealed directory, or None if there is none."""
    location = find_remote(target)
    got = None if location is None else location[0].get(location[1] + COMMIT)
    read = None if got is None else _read(got[0])
    return None if got is None or read is None else (*read, got[1])


def _parse_manifest(target: Path, text: str) -> dict[str, Any]:
    """Return the manifest in a commit. Raise `DamagedError` if it is damaged."""
    manifest = parse_checked(target / "manifest.json", text)
    if not isinstance(manifest.get("files"), list):
        raise DamagedError(f"{target}: its manifest lists no files")
    return manifest


def _read(commit: bytes) -> tuple[str, str] | None:
    """Return the manifest and the writer that a commit names, or None for a tombstone or a broken commit."""
    try:
        fields = json.loads(commit)
        return str(fields["manifest"]), str(fields["writer"])
    except (ValueError, KeyError, TypeError):
        return None


def path_within(target: Path, path: str) -> str:
    """Return a path from a manifest. Raise `DamagedError` if it leads out of the directory."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:  # guard: manifest-paths-inside
        raise DamagedError(f"{target}: its manifest names {path!r}, which is outside the folder")
    return path
