"""The marker file at the root of a store, written before anything else, by which a store is recognized.

A store that is older than the marker is recognized by any checksummed file at a place that only a store has.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from handler.errors import SpecError, StoreError
from handler.store import remote_dirs, remote_files
from handler.store.atomic_files import as_store_errors, make_folder, write_file
from handler.store.checksums import STEP, parse_checked, read_checked, with_checksum

MARKER = ".frostline-store"
KEY = "[0-9a-f]{32}"
# The names that a store and its dead writers leave in each directory.
OURS = {
    "states": re.compile(rf"\..*|{KEY}({STEP}\d+)?"),
    "plans": re.compile(rf"\..*|{KEY}\.json"),
    **{part: re.compile(rf"\..*|{KEY}\.zarr") for part in ("prefit", "prefixes", "backups")},
}
CHECKED = ("digests.json", "runs/*/run.json", "plans/*.json", "states/*/manifest.json",
           *(f"{part}/*.zarr/manifest.json" for part in ("prefit", "prefixes", "backups")))  # fmt: skip


# See docs/decisions/0048-marked-stores-and-rejected-trainings.md.
def claim_store(root: Path) -> None:
    """Mark a directory as a store, before anything else is written to it.

    Raises:
        SpecError: the directory is no store and has files of its own where a store would remove files, or it is at a
            URL whose service cannot lock a run.
        StoreError: the system refuses to write.
    """
    if _is_marked(root):
        _require_locks(root)
        return
    foreign = None if is_store(root) else next(_foreign(root), None)
    if foreign is not None:
        what = f"{remote_dirs.url_or_path(root)} is not a Frostline store, and contains {foreign}"
        raise SpecError("store", f"{what}; name another folder")
    with as_store_errors(root):
        make_folder(root)
    write_file(root / MARKER, with_checksum({"format": 1, "what": "a store of Frostline; `frostline runs` lists it"}))
    remote_files.upload(root / MARKER)
    _require_locks(root)


def _require_locks(root: Path) -> None:
    """Raise `SpecError` for a URL whose service cannot lock a run, before anything but the marker is written to it."""
    location = remote_dirs.find_remote(root)
    if location is not None:
        location[0].require_conditional(MARKER, (root / MARKER).read_bytes())


def require_store(root: Path) -> None:
    """Raise `SpecError` for a directory that is no store, before files are removed from it."""
    if not is_store(root):
        place = remote_dirs.url_or_path(root)
        is_there = remote_dirs.find_remote(root) is not None or root.exists()
        what = f"{place} is not a Frostline store" if is_there else f"there is no store {place}"
        raise SpecError("store", f"{what}, so nothing is removed from it; name the store with --store")


def is_absent(root: Path) -> bool:
    """Return whether nothing exists yet that could be a store: no directory, or no object at the URL."""
    location = remote_dirs.find_remote(root)
    return not os.path.lexists(root) if location is None else not location[0].list_below("")


def is_store(root: Path) -> bool:
    """Return whether a directory, or the objects at a URL, are a store."""
    checked = (file for glob in CHECKED for file in root.glob(glob))
    return _is_marked(root) or any(_is_ours(read_checked, file) for file in checked) or _is_store_there(root)


def _is_marked(root: Path) -> bool:
    if not (root / MARKER).exists():
        remote_files.download(root / MARKER)
    return (root / MARKER).exists()


def _is_store_there(root: Path) -> bool:
    """Return whether the objects at a URL contain a sealed directory's commit or a run's record of a store."""
    location = remote_dirs.find_remote(root)
    if location is None:
        return False
    sealed = (root / part / name for part in remote_dirs.SEALED for name in remote_dirs.remote_names(root / part))
    if any(remote_dirs.manifest_text(target) is not None for target in sealed):
        return True
    records = (name for name in remote_files.list_files(root / "runs") if name.endswith("/run.json"))
    got = ((root / name, location[0].get(f"runs/{name}")) for name in records)
    return any(stored is not None and _is_ours(parse_checked, file, stored[0]) for file, stored in got)


def _is_ours(read: Callable[..., dict[str, Any]], *arguments: Path | bytes) -> bool:
    try:
        return bool(read(*arguments))
    except StoreError:
        return False


def _foreign(root: Path) -> Iterator[str]:
    """Yield the files of a directory that are not a store's, at places from which a store removes files."""
    for part, ours in OURS.items():
        folder = root / part
        if folder.is_dir():
            yield from (f"{part}/{path.name}" for path in sorted(folder.iterdir()) if not ours.fullmatch(path.name))
        elif folder.exists():
            yield part
