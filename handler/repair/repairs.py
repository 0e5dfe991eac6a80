"""`frostline verify --repair`: what a verification names is made again, to the same bits, or the reason is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from handler.errors import FrostlineError, Interrupted
from handler.record import RunRecord
from handler.repair import caches
from handler.repair.rebuilding import Rebuilding
from handler.repair.wanted import assign
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
            repairs.mended.append(Damage(damage.path, f"{damage.what}; {caches.remove(store, place)}"))
    records = _records(store, names)
    damaged = dict.fromkeys(_name(place) for damage in found if (place := place_in(store, damage)) is not None)
    wanted, unassigned = assign(records, damaged)
    for name in unassigned:
        if not caches.quarantine_unneeded_state(store, name.removeprefix("states/"), records):
            reasons[name] = "no run of this store leads to it; train what made it again"
    for one in wanted:
        note(f"run {one.record.run!r}: {one.text}")
        try:
            Rebuilding(store, one.record, allow_environment_change, note).rebuild(one.epochs, one.files)
        except Interrupted:
            raise
        except Exception as error:  # of the user's code too
            text = str(error) if isinstance(error, FrostlineError) else f"{type(error).__name__}: {error}"
            for name in one.names:
                reasons[name] = f"run {one.record.run!r} can't make it again ({' '.join(text.split())})"
    _judge(store, names, found, reasons, repairs)
    return repairs


def _judge(store: Store, names: list[str], found: list[Damage], reasons: dict[str, str], repairs: Repairs) -> None:
    """Verifies again: what is named no longer was mended, what is still named stays with its reason."""
    left = store.verify(*names)
    removed, still = {damage.path for damage in repairs.mended}, {damage.path for damage in left}
    again = [damage for damage in found if damage.path not in removed | still]
    repairs.mended += [Damage(damage.path, f"{damage.what}; it was made again") for damage in again]
    for damage in left:
        place = place_in(store, damage)
        why = reasons.get(_name(place)) if place is not None else None
        repairs.left.append(Damage(damage.path, f"{damage.what}; {why}" if why else damage.what))


def place_in(store: Store, damage: Damage) -> Path | None:
    """Where in the store a damage is, as a relative path; None where it is elsewhere."""
    for root in (str(store.root), mirror.place_of(store.root)):
        if damage.path.startswith(f"{root}/"):
            return Path(damage.path.removeprefix(f"{root}/"))
    return None


def _name(place: Path) -> str:
    """What is repaired as one: a state, a file of a run."""
    return "/".join(place.parts[: 3 if place.parts[0] == "runs" else 2]).removesuffix(mirror.COMMIT)


def _records(store: Store, names: list[str]) -> list[RunRecord]:
    found = []
    for name in names or store.runs.names():
        try:
            found.append(store.runs.read(name))
        except FrostlineError:
            continue
    return found
