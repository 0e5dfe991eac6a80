"""Verification of a whole store, and garbage collection of everything that no kept run needs."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from handler.errors import BusyError, DamagedError, FrostlineError, StoreError
from handler.records import RunRecord
from handler.store import atomic_dirs, atomic_files, checksums, collection_lock, locks, marker, remote_dirs
from handler.store.occupied_paths import is_file
from handler.store.prefit_cache import PrefitCache
from handler.store.run_retention import Retention, runs_to_remove
from handler.store.runs import FILES, RunStore
from handler.store.states import StateStore
from handler.validation.run_name import RUN_NAME


class StoreParts(Protocol):
    """The parts of a store, as a `Store` has them."""

    root: Path
    states: StateStore
    prefit: PrefitCache
    runs: RunStore
    backups: Path
    prefixes: Path

    def folders(self) -> list[Path]:
        """Return the directories into which the store writes."""


def verify(store: StoreParts, runs: Iterable[str] = ()) -> list[checksums.Damage]:
    """Read every byte of the store, compare the checksums, and return the damages.

    Args:
        store: the store.
        runs: names of runs. If given, only the runs' own files, their states, the states that hold variables of these,
            their pre-fit results, and all activation caches and backups are read.
    """
    names = list(runs)
    keys = reachable_states(store, names) if names else store.states.names()
    prefit = _prefit(store, names) if names else _sealed(store.prefit.root)
    memory = [] if names else [*store.root.glob("digests.json"), *store.root.glob("plans/*.json")]
    folders = [*prefit, *_sealed(store.prefixes), *_sealed(store.backups)]
    checks = [
        *(partial(_state, store, key) for key in sorted(keys)),
        *(partial(_contents, folder) for folder in folders),
        *(partial(_run, store, name) for name in names or _begun(store)),
        partial(_missing, store, names or store.runs.names()),
        *([] if names else [partial(_places, store)]),
        *(partial(_memory, file) for file in sorted(memory)),
    ]
    wrong: list[checksums.Damage] = []
    for check in checks:
        try:
            wrong += check()
        except StoreError as error:  # the file cannot be read
            wrong.append(checksums.Damage.because(error))
    return list(dict.fromkeys(wrong))


def _state(store: StoreParts, key: str) -> list[checksums.Damage]:
    """Return the damage of a state; `verify` reads the states that it refers to as separate checks."""
    wrong = _contents(store.states.folder(key)) or store.states.damages(key)
    # A snapshot may have been dropped meanwhile.
    return wrong if atomic_dirs.exists_anywhere(store.states.folder(key)) else []


def _contents(folder: Path) -> list[checksums.Damage]:
    """Return the damage of a sealed directory after reading every byte."""
    try:
        atomic_dirs.ensure_local(folder)
    except DamagedError as error:
        return [checksums.Damage.because(error)]
    return atomic_dirs.damages(folder, deep=True)


def _run(store: StoreParts, name: str) -> list[checksums.Damage]:
    """Return the damage of a run's own files, and a damage if the state with which the run ends is missing."""
    wrong = store.runs.damages(name)
    if wrong:
        return wrong
    record = store.runs.read(name)
    end = store.states.folder(record.state) if record.status == "completed" and record.state else None
    if end is not None and not atomic_dirs.exists_anywhere(end):
        return [checksums.Damage(str(end), f"is missing; it is the final state of run {name!r}")]
    return []


def _missing(store: StoreParts, names: Iterable[str]) -> list[checksums.Damage]:
    """Return a damage for each missing state that a run has passed and that another state names as its parent."""
    stored, parents, wrong = store.states.stored_keys(), set[str](), list[checksums.Damage]()
    for key in stored:
        if not key.startswith("."):
            with suppress(StoreError):
                parents.add(str(store.states.manifest(key)["parent"]))
    for name in names:
        try:
            record = store.runs.read(name)
        except FrostlineError:
            continue
        ends = {planned.end: planned.state for planned in record.plan if planned.end <= record.epochs}
        for epoch, key in {0: record.key, **ends}.items():
            if key in parents and not (key in stored and atomic_dirs.exists_anywhere(store.states.folder(key))):
                what = f"is missing; it is the state of run {name!r} after epoch {epoch}"
                wrong.append(checksums.Damage(str(store.states.folder(key)), what))
    return wrong


def _places(store: StoreParts) -> list[checksums.Damage]:
    """Return a damage for each place of a lock, or of a record of Prefect, that holds something other than a file."""
    results = store.root / "results"
    expected = [*results.glob("[!.]*"), *results.glob("locks/[!.]*"), *store.root.glob("runs/*/lock")]
    return [
        checksums.Damage(str(path), "is not a file; the next run that needs it replaces it")
        for path in expected
        if path != results / "locks" and not is_file(path)
    ]


def _memory(file: Path) -> list[checksums.Damage]:
    try:
        checksums.read_checked(file)
    except DamagedError as error:
        return [checksums.Damage.because(error)] if file.exists() else []
    return []


def _begun(store: StoreParts) -> list[str]:
    """Return the names of all runs, also of those that have files but no record."""
    names = {p.parent.name for file in FILES for p in store.root.glob(f"runs/*/{file}")}
    return sorted({*store.runs.names(), *(name for name in names if RUN_NAME.fullmatch(name))})


def _prefit(store: StoreParts, runs: list[str]) -> list[Path]:
    """Return the existing pre-fit results of runs; a missing one is no damage, because it can be computed again."""
    keys = {key for record in _records(store, runs) for key in record.prefit}
    return [folder for folder in map(store.prefit.folder, sorted(keys)) if atomic_dirs.exists_anywhere(folder)]


def reachable_states(store: StoreParts, runs: Iterable[str]) -> set[str]:
    """Return the keys of the states that runs list or refer to, directly or through another state."""
    keys: set[str] = set()
    for record in _records(store, runs):
        keys |= {record.key, *(s.state for s in record.segments), *(p.state for p in record.plan)}
        if record.state:
            keys.add(record.state)
        if record.status != "completed":
            keys |= {key for key in store.states.names() if checksums.parse_state_key(key)[0] in set(record.chain)}
    keys &= store.states.stored_keys()
    for key in list(keys):
        keys |= store.states.referenced_keys(key)  # guard: references-collected
    return keys


def _records(store: StoreParts, runs: Iterable[str]) -> Iterator[RunRecord]:
    """Yield the readable records of runs, and the records of replaced trainings that these contain."""
    for name in runs:
        with suppress(FrostlineError):
            record: RunRecord | None = store.runs.read(name)
            while record is not None:
                yield record
                record = record.replaces  # guard: replaced-record-kept


def collect(store: StoreParts, *, keep: Retention | None = None, dry_run: bool = False) -> tuple[list[str], int]:
    """Remove everything that no kept run needs; for the arguments, the result and the errors see `Store.collect`.

    This removes the runs that are not kept, the states that no kept run needs, the pre-fit results of no kept run, the
    activation caches and backups that no process uses, quarantined files, and the files that dead writers left.
    """
    marker.require_store(store.root)  # guard: collection-requires-a-store
    with nullcontext() if dry_run else collection_lock.hold_exclusive(store.root):  # guard: collection-alone
        busy = store.runs.active_names()
        if busy:
            place = remote_dirs.url_or_path(store.root)
            raise BusyError(f"{place}: {', '.join(busy)} is running; run gc when it has finished")
        return _collect(store, keep, dry_run)


def _collect(store: StoreParts, keep: Retention | None, dry_run: bool) -> tuple[list[str], int]:
    names = store.runs.names()
    drop = [] if keep is None else runs_to_remove(map(store.runs.read, names), keep)
    runs = [name for name in names if name not in drop]
    for name in runs:
        store.runs.read(name)  # raises for an unreadable record, because its needs are unknown
    doomed = _unneeded(store, runs)
    left = [place for folder in store.folders() for place in atomic_files.stale_files(folder)]
    far = remote_dirs.stale_objects(store.root)
    dropped = {name: store.runs.folder(name) for name in drop}
    size = sum(_size(path) for path in (*dropped.values(), *doomed, *left))
    if not dry_run:
        for name in dropped:  # first, so that a collection killed here leaves the rest to the next one
            with store.runs.lock_alone(name):
                store.runs.remove(name)
        for path in doomed:
            atomic_dirs.remove(path)
        for path in left:
            shutil.rmtree(path)
        remote_dirs.remove_stale_objects(store.root, far)
    return sorted([*far, *(str(p.relative_to(store.root)) for p in (*dropped.values(), *doomed, *left))]), size


def _unneeded(store: StoreParts, runs: list[str]) -> list[Path]:
    """Return the directories that none of the runs needs and no process uses."""
    used = {key for record in _records(store, runs) for key in record.prefit}
    kept = reachable_states(store, runs)
    return [
        *(store.states.folder(key) for key in store.states.names() if key not in kept),
        *quarantined_paths(store),
        *(path for path in _sealed(store.prefit.root) if path.stem not in used),
        *(path for folder in (store.prefixes, store.backups) for path in _sealed(folder) if not locks.is_locked(path)),
    ]


def quarantined_paths(store: StoreParts) -> list[Path]:
    """Return the quarantined files and directories anywhere in the store."""
    folders = [*store.folders(), store.root / "results", store.root / "results" / "locks"]
    return sorted(path for folder in folders for path in folder.glob(".damaged-*"))


def _sealed(folder: Path) -> list[Path]:
    """Return the sealed directories in a directory, without those that are being written or quarantined."""
    here = {path.name for path in folder.glob("*.zarr") if not path.name.startswith(".")}
    return sorted(folder / name for name in here | remote_dirs.remote_names(folder))


def _size(path: Path) -> int:
    if path.is_symlink() or path.is_file():
        return path.lstat().st_size
    return sum(atomic_dirs.files_below(path).values()) if path.is_dir() else 0  # else it is only at the store's URL
