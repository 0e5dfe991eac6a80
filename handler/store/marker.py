"""What tells a store from any other folder: a file at its root, written before anything else is.

A store that was made before there was such a file is known by a file with a checksum of itself that only a store has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from handler.errors import SpecError, StoreError
from handler.store import mirror, mirrored_files
from handler.store.checked import parse_checked, read_checked, with_checksum
from handler.store.files import make_folder, write_file, writing

MARKER = ".frostline-store"
KEY = "[0-9a-f]{32}"
# What a store has in its folders, and what dead writers left there.
OURS = {
    "states": re.compile(rf"\..*|{KEY}(-step-\d+)?"),
    "plans": re.compile(rf"\..*|{KEY}\.json"),
    **{part: re.compile(rf"\..*|{KEY}\.zarr") for part in ("prefit", "prefixes", "backups")},
}
CHECKED = ("digests.json", "runs/*/run.json", "plans/*.json", "states/*/manifest.json",
           *(f"{part}/*.zarr/manifest.json" for part in ("prefit", "prefixes", "backups")))  # fmt: skip


def claim(root: Path) -> None:
    """Marks a folder as a store, before something is first written to it.

    Raises:
        SpecError: it is another folder, that has files of its own where a store keeps its own: they would be removed.
            Or it is at a URL whose service can't lock a run.
        StoreError: the disk refuses.
    """
    if _is_marked(root):
        _require_locks(root)
        return
    foreign = None if is_store(root) else next(_foreign(root), None)
    if foreign is not None:
        what = f"{mirror.place_of(root)} isn't a store of Frostline, and has {foreign} of its own; name another folder"
        raise SpecError("store", what)
    with writing(root):
        make_folder(root)
    write_file(root / MARKER, with_checksum({"format": 1, "what": "a store of Frostline; `frostline runs` lists it"}))
    mirrored_files.send(root / MARKER)
    _require_locks(root)


def _require_locks(root: Path) -> None:
    """Refuses a URL whose service can't lock a run, before anything but the mark is written to it."""
    found = mirror.remote_of(root)
    if found is not None:
        found[0].require_conditional(MARKER, (root / MARKER).read_bytes())


def require(root: Path) -> None:
    """Refuses a folder that isn't a store, before something is removed from it.

    Raises:
        SpecError: it isn't one.
    """
    if not is_store(root):
        place = mirror.place_of(root)
        what = f"{place} isn't a store of Frostline" if _is_there(root) else f"there is no store {place}"
        raise SpecError("store", f"{what}, so nothing is removed from it; give the store by --store")


def is_absent(root: Path) -> bool:
    """Whether there is nothing yet that could be a store: no folder, or no object at the URL."""
    found = mirror.remote_of(root)
    return not os.path.lexists(root) if found is None else not found[0].below("")


def is_store(root: Path) -> bool:
    """Whether a folder, or what is at a URL, is a store."""
    return (
        _is_marked(root) or any(_is_ours(file) for glob in CHECKED for file in root.glob(glob)) or _is_store_there(root)
    )


def _is_marked(root: Path) -> bool:
    if not (root / MARKER).exists():
        mirrored_files.refresh(root / MARKER)
    return (root / MARKER).exists()


def _is_there(root: Path) -> bool:
    return mirror.remote_of(root) is not None or root.exists()


def _is_store_there(root: Path) -> bool:
    """The same of what is at a URL, where a sealed directory is its commit."""
    found = mirror.remote_of(root)
    if found is None:
        return False
    sealed = (root / part / name for part in mirror.SEALED for name in mirror.names(root / part))
    if any(mirror.manifest_text(target) is not None for target in sealed):
        return True
    records = (name for name in mirrored_files.files_there(root / "runs") if name.endswith("/run.json"))
    return any(_is_text_ours(root / name, found[0].get(f"runs/{name}")) for name in records)


def _is_text_ours(file: Path, got: tuple[bytes, str, float] | None) -> bool:
    try:
        return got is not None and bool(parse_checked(file, got[0]))
    except StoreError:
        return False


def _is_ours(file: Path) -> bool:
    try:
        return bool(read_checked(file))
    except StoreError:
        return False


def _foreign(root: Path) -> Iterator[str]:
    """What a folder has where a store keeps what is its own, and removes it."""
    for part, ours in OURS.items():
        folder = root / part
        if folder.is_dir():
            yield from (f"{part}/{path.name}" for path in sorted(folder.iterdir()) if not ours.fullmatch(path.name))
        elif folder.exists():
            yield part
