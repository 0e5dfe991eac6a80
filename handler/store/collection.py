"""Verification of a whole store, and collection of what no kept run needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from handler.errors import DamagedError, FrostlineError
from handler.store import sealed

if TYPE_CHECKING:
    from handler.store import Store


def verify(store: Store, runs: Iterable[str] = ()) -> list[sealed.Damage]:
    """Reads every byte of the store's sealed directories and compares checksums.

    Args:
        store: the store.
        runs: names of runs; only the states they list are read then.
    """
    wrong: list[sealed.Damage] = []
    names = list(runs)
    keys = needed(store, names) if names else set(store.states.names())
    for key in sorted(keys):
        folder = store.states.folder(key)
        if folder.exists():
            wrong += sealed.damages(folder, deep=True)
            missing = [k for k in store.states.references(key) if not store.states.folder(k).exists()]
            wrong += [
                sealed.Damage(str(store.states.folder(k)), f"is missing, {key} refers to it") for k in sorted(missing)
            ]
    if not names:
        for folder in (*store.root.glob("prefit/*.zarr"), *store.root.glob("backups/*.zarr")):
            wrong += sealed.damages(folder, deep=True)
    for name in names or store.runs.names():
        wrong += _damages_of_run(store, name)
    return list(dict.fromkeys(wrong))


def _damages_of_run(store: Store, name: str) -> list[sealed.Damage]:
    """What is wrong with a run's own files, and with the state it ends with."""
    folder = store.runs.folder(name)
    try:
        record = store.runs.read(name)
    except DamagedError as error:
        return [sealed.Damage(str(folder / "run.json"), str(error))]
    if record.status != "completed":
        return []
    needs = [folder / file for file in (record.report, record.model) if file]
    needs += [store.states.folder(record.state)] if record.state else []
    return [sealed.Damage(str(path), f"is missing, run {name!r} needs it") for path in needs if not path.exists()]


def needed(store: Store, runs: Iterable[str]) -> set[str]:
    """The states that runs list or refer to, directly or through another state."""
    keys: set[str] = set()
    for name in runs:
        try:
            record = store.runs.read(name)
        except FrostlineError:
            continue
        keys |= {record.key, *(s.state for s in record.segments), *(p.state for p in record.plan)}
        if record.state:
            keys.add(record.state)
        if record.status != "completed":
            keys |= {key for key in store.states.names() if key.partition("-step-")[0] in set(record.chain)}
    keys = {key for key in keys if store.states.folder(key).exists()}
    for key in list(keys):
        keys |= store.states.references(key)
    return keys


def collect(store: Store, *, dry_run: bool = False) -> tuple[list[str], int]:
    """Removes states no run needs, pre-fit results and backups of no unfinished run, and leftovers of dead writers.

    Args:
        store: the store. Nothing is collected while a run is at work in it.
        dry_run: only tell.

    Returns:
        The paths removed (or that would be), relative to the store, and their size in bytes.
    """
    runs = store.runs.names()
    if any(store.runs.is_alive(name) for name in runs):
        return [], 0
    kept = needed(store, runs)
    doomed = [store.states.folder(key) for key in store.states.names() if key not in kept]
    doomed += store.root.glob("*/.damaged-*")
    used = {key for name in runs for key in store.runs.read(name).prefit}
    doomed += [p for p in store.root.glob("prefit/*.zarr") if p.stem not in used]
    doomed += store.root.glob("backups/*.zarr")
    for folder in ("states", "prefit", "backups", "plans", "runs", *(f"runs/{name}" for name in runs)):
        doomed += sealed.leftovers(store.root / folder)
    size = sum(_size(path) for path in doomed)
    if not dry_run:
        for path in doomed:
            if path.is_dir():
                shutil.rmtree(path if path.name.startswith(".") else sealed.retire(path))
            else:
                path.unlink(missing_ok=True)
    return sorted(str(p.relative_to(store.root)) for p in doomed), size


def _size(path: Path) -> int:
    return sum(sealed.files_below(path).values()) if path.is_dir() else path.stat().st_size
