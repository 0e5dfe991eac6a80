"""A store at a URL, and the folder on this machine that it is worked in.

The folder is a store as any other; a process that opened the store by its URL knows which folder is worked for which.
What is sealed is put there before it gets its name here, and fetched from there where it isn't here. An object
`<name>.commit`, put last and only where there is none, makes a sealed directory exist; its files lie in
`<name>/<writer>/`, so that two writers of the same don't touch each other's. One that is removed leaves a commit that
says so.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import xxhash

from handler.errors import DamagedError, SpecError
from handler.store.checked import parse_checked
from handler.store.files import side_by_side, sync, workplace
from handler.store.remote import Remote, remote_at, url_of

COMMIT, GONE = ".commit", b"gone"
SEALED = ("states", "prefit", "prefixes", "backups")
LEFT_SECONDS = 24 * 3600.0  # older than any writing takes
_WORKED: dict[Path, str] = {}


def local_root(store: str | Path) -> Path:
    """The folder of a store: for a URL the one it is worked in, `FROSTLINE_CACHE` or `~/.cache/frostline`.

    Raises:
        SpecError: the URL can't be used, or nothing is named, as by a variable of the shell that isn't set.
    """
    if not str(store).strip():
        raise SpecError("store", f"must be a folder's path or a URL, not {str(store)!r}; give '.' for this folder")
    url = url_of(store)
    if url is None:
        return Path(store).absolute()
    remote_at(url)
    cache = Path(os.environ.get("FROSTLINE_CACHE") or "~/.cache/frostline").expanduser().absolute()
    return worked_in(cache / xxhash.xxh3_128_hexdigest(url.encode()), url)


def worked_in(root: Path, url: str) -> Path:
    """Makes a folder the one that this process works the store at a URL in, and gives it."""
    _WORKED[root] = url
    return root


def place_of(root: Path) -> str:
    """A store as it is given: its URL, or its folder."""
    return _WORKED.get(root) or str(root)


def remote_of(path: Path) -> tuple[Remote, str] | None:
    """The object store that a path's store is worked for, and the path's name there; None for a store of this disk."""
    if _WORKED:
        for folder in (path, *path.parents):
            if folder in _WORKED:
                return remote_at(_WORKED[folder]), path.relative_to(folder).as_posix()
    return None


def publish(target: Path, beside: Path, manifest: bytes) -> None:
    """Puts a sealed directory where others find it.

    Args:
        target: its name.
        beside: where its files are still.
        manifest: its manifest's text.

    Raises:
        StoreError: the service refuses, or can't be reached.
    """
    found = remote_of(target)
    if found is None:
        return
    remote, name = found
    writer = f"{os.getpid()}-{secrets.token_hex(6)}"
    listed = [entry["path"] for entry in json.loads(manifest)["files"]]
    side_by_side(lambda file: remote.put(f"{name}/{writer}/{file}", beside / file), listed)
    commit = json.dumps({"writer": writer, "manifest": manifest.decode()}).encode()
    while not remote.create(name + COMMIT, commit):
        there = remote.get(name + COMMIT)
        if there is not None and _read(there[0]) is not None:  # another writer of the same was faster
            remote.delete(f"{name}/{writer}/{file}" for file in listed)
            return
        if there is not None and remote.swap(name + COMMIT, commit, there[1]):
            return


def fetch(target: Path) -> bool:
    """Brings a sealed directory here, every file compared with its checksum; whether there is one.

    Raises:
        DamagedError: it isn't what was put there. StoreError: it can't be read or written.
    """
    found = remote_of(target)
    committed = None if found is None else _committed(target)
    if found is None or committed is None:
        return False
    remote, name = found
    text, writer, _ = committed
    listed = _manifest_of(target, text)["files"]
    with workplace(target) as beside:
        beside.mkdir()

        def get(entry: dict[str, Any]) -> None:
            file, there = beside / within(target, entry["path"]), f"{name}/{writer}/{entry['path']}"
            got = remote.get(there)
            if got is None:
                raise DamagedError(f"{remote.url}/{there}: is missing")
            if xxhash.xxh3_128_hexdigest(got[0]) != entry["xxh3"]:
                raise DamagedError(f"{remote.url}/{there}: its content doesn't match its checksum")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(got[0])
            sync(file)

        side_by_side(get, listed)
        (beside / "manifest.json").write_text(text)
        sync(beside / "manifest.json")
        if not target.exists():
            beside.rename(target)
            sync(target.parent)
    return True


def manifest_text(target: Path) -> str | None:
    """The manifest of a sealed directory that is there, not here; None where there is none."""
    committed = _committed(target)
    return None if committed is None else committed[0]


def exists(target: Path) -> bool:
    """Whether a sealed directory is there."""
    return _committed(target) is not None


def lost(target: Path) -> bool:
    """Whether what is here isn't where the store's URL leads: another machine has removed it."""
    return remote_of(target) is not None and not exists(target)


def names(folder: Path) -> set[str]:
    """The names of the sealed directories of a folder that are there."""
    found = remote_of(folder)
    if found is None:
        return set()
    listed = found[0].directly_below(found[1])
    return {name.removesuffix(COMMIT) for name, size in listed.items() if name.endswith(COMMIT) and size > len(GONE)}


def replace_manifest(target: Path, text: bytes) -> bool:
    """Puts another manifest of the same files; False where it has been removed meanwhile."""
    found = remote_of(target)
    while found is not None:
        committed = _committed(target)
        if committed is None:
            return False
        commit = json.dumps({"writer": committed[1], "manifest": text.decode()}).encode()
        if found[0].swap(found[1] + COMMIT, commit, committed[2]):
            return True
    return True


def withdraw(target: Path, only_if: Callable[[dict[str, Any]], bool] | None = None) -> bool:
    """Removes a sealed directory there, where its manifest says what is asked; whether it is gone."""
    found = remote_of(target)
    while found is not None:
        remote, name = found
        committed = _committed(target)
        if committed is None:
            return True
        if only_if is not None and not only_if(_manifest_of(target, committed[0])):
            return False
        if remote.swap(name + COMMIT, GONE, committed[2]):
            remote.delete(remote.below(f"{name}/{committed[1]}"))
            return True
    return True


def leftovers(root: Path) -> list[str]:
    """The objects that belong to nothing: of writers that died, and the words that stand for what was removed.

    Those of the last day are left: they may be in the writing.
    """
    found = remote_of(root)
    old: list[str] = []
    if found is None:
        return old
    before = time.time() - LEFT_SECONDS
    for part in SEALED:
        commits = names(root / part)
        for name, modified in found[0].below(part).items():
            kept, _, rest = name.removeprefix(f"{part}/").partition("/")
            belongs = rest.partition("/")[0] == _writer(root / part / kept) if rest and kept in commits else not rest
            gone = not rest and kept.endswith(COMMIT) and kept.removesuffix(COMMIT) not in commits
            if modified < before and (gone or not belongs):
                old.append(name)
    return old


def remove_leftovers(root: Path, found: list[str]) -> None:
    """Removes what `leftovers` found."""
    there = remote_of(root)
    if there is not None:
        there[0].delete(found)


def _writer(target: Path) -> str | None:
    committed = _committed(target)
    return None if committed is None else committed[1]


def _committed(target: Path) -> tuple[str, str, str] | None:
    """The manifest, the writer and the commit's etag of a sealed directory there; None where there is none."""
    found = remote_of(target)
    got = None if found is None else found[0].get(found[1] + COMMIT)
    read = None if got is None else _read(got[0])
    return None if got is None or read is None else (*read, got[1])


def _manifest_of(target: Path, text: str) -> dict[str, Any]:
    """The manifest in a commit. Raises DamagedError where it isn't as it was written."""
    manifest = parse_checked(target / "manifest.json", text)
    if not isinstance(manifest.get("files"), list):
        raise DamagedError(f"{target}: its manifest lists no files")
    return manifest


def _read(commit: bytes) -> tuple[str, str] | None:
    """The manifest and the writer that a commit names; None where it says that there is nothing, or isn't one."""
    try:
        found = json.loads(commit)
        return str(found["manifest"]), str(found["writer"])
    except (ValueError, KeyError, TypeError):
        return None


def within(target: Path, path: str) -> str:
    """A path of a manifest; raises DamagedError where it leads out of its directory."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts:
        raise DamagedError(f"{target}: its manifest names {path!r}, outside of it")
    return path
