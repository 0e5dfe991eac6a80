"""`frostline verify --repair`: what a verification names is made again, to the same bits, or the reason is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from handler.errors import FrostlineError, Interrupted
from handler.record import RunRecord
from handler.repair import caches
from handler.repair.rebuilding import Rebuilding
from handler.store import Damage, Store, mirror


@dataclass
class Repairs:
    """What a repair did.

    Attributes:
        mended: what was damaged and is whole again, and how.
        left: what is still damaged, and why.
    """

    mended: list[Damage] = field(default_factory=list)
    left: list[Damage] = field(default_factory=list)


def repair_store(
    store: Store,
    runs: Iterable[str] = (),
    *,
    allow_environment_change: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> Repairs:
    """Repairs what `Store.verify` names.

    What is only a cache or an index is removed. A state is quarantined and trained again from the nearest intact state
    before it, for a run whose record leads to it; what refers to it is whole again then. The files of a completed run
    are made again of its states.

    Args:
        store: the store.
        runs: names of runs; only what they need is repaired then.
        allow_environment_change: train states again in another environment; the bits may differ.
        note: called with what is being done.

    Raises:
        Interrupted: asked to stop; what was repaired stays so.
    """
    names = list(runs)
    found = store.verify(*names)
    repairs, reasons = Repairs(), dict[str, str]()
    for damage in found:
        place = place_in(store, damage)
        if place is not None and caches.is_cache(place):
            how = caches.remove(store, place)
            repairs.mended.append(Damage(damage.path, f"{damage.what}; {how}"))
    for record, wanted in _by_run(store, names, found, reasons):
        note(f"run {record.run!r}: {_wanted(wanted)}")
        rebuilding = Rebuilding(store, record, allow_environment_change, note)
        try:
            rebuilding.rebuild(wanted.epochs, wanted.files)
        except Interrupted:
            raise
        except Exception as error:  # of the user's code too
            text = str(error) if isinstance(error, FrostlineError) else f"{type(error).__name__}: {error}"
            for name in wanted.names:
                reasons[name] = f"run {record.run!r} can't make it again ({' '.join(text.split())})"
    left = store.verify(*names)
    gone = {damage.path for damage in left}
    repairs.mended += [
        Damage(d.path, f"{d.what}; it was made again")
        for d in found
        if d.path not in gone and d.path not in {m.path for m in repairs.mended}
    ]
    for damage in left:
        place = place_in(store, damage)
        why = reasons.get(_name(place)) if place is not None else None
        repairs.left.append(Damage(damage.path, f"{damage.what}; {why}" if why else damage.what))
    return repairs


@dataclass
class Wanted:
    """What one run has to make again: states by their epochs, files by their names."""

    epochs: list[int] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def place_in(store: Store, damage: Damage) -> Path | None:
    """Where in the store a damage is, as a relative path; None where it is elsewhere."""
    for root in (str(store.root), mirror.place_of(store.root)):
        if damage.path.startswith(f"{root}/"):
            return Path(damage.path.removeprefix(f"{root}/"))
    return None


def _name(place: Path) -> str:
    """What is repaired as one: a state, a file of a run."""
    return "/".join(place.parts[: 3 if place.parts[0] == "runs" else 2]).removesuffix(mirror.COMMIT)


def _wanted(wanted: Wanted) -> str:
    said = [f"the state after epoch {epoch} is trained again" for epoch in wanted.epochs]
    return ", ".join([*said, *(f"{file} is made again" for file in wanted.files)])


def _by_run(
    store: Store, names: list[str], found: list[Damage], reasons: dict[str, str]
) -> list[tuple[RunRecord, Wanted]]:
    """Which run makes what again. What no run can is quarantined where nothing needs it, else its reason is kept."""
    records = _records(store, names)
    by_run = {record.run: (record, Wanted()) for record in records}
    for name in dict.fromkeys(_name(place) for d in found if (place := place_in(store, d)) is not None):
        area, _, rest = name.partition("/")
        if area == "states":
            record = _run_of(records, rest)
            if record is not None:
                by_run[record.run][1].epochs.append(record.chain.index(rest))
                by_run[record.run][1].names.append(name)
            elif caches.quarantine_unneeded_state(store, rest, records):
                continue
            else:
                reasons[name] = "no run of this store leads to it; train what made it again"
        elif area == "runs":
            run, _, file = rest.partition("/")
            if run in by_run and file != "run.json":
                by_run[run][1].files.append(file)
                by_run[run][1].names.append(name)
    return [(record, _ordered(wanted)) for record, wanted in by_run.values() if wanted.names]


def _ordered(wanted: Wanted) -> Wanted:
    return Wanted(sorted(set(wanted.epochs)), wanted.files, wanted.names)


def _records(store: Store, names: list[str]) -> list[RunRecord]:
    found = []
    for name in names or store.runs.names():
        try:
            found.append(store.runs.read(name))
        except FrostlineError:
            continue
    return found


def _run_of(records: list[RunRecord], key: str) -> RunRecord | None:
    """The run that leads to a state: one that has it at the end of a segment rather than inside."""
    leading = [record for record in records if key in record.chain[: record.epochs + 1]]
    ends = [record for record in leading if key in {record.key, *(planned.state for planned in record.plan)}]
    return next(iter([*ends, *leading]), None)
