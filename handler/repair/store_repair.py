"""`frostline verify --repair`: rebuilds the damaged parts of a store bit-identically.

A part that cannot be rebuilt is reported with the reason.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from handler.errors import FrostlineError, Interrupted
from handler.records import RunRecord
from handler.repair import removal
from handler.repair.assignment import assign
from handler.repair.run_repair import rebuild
from handler.store import remote_dirs
from handler.store.checksums import Damage
from handler.store.store import Store


@dataclass
class Repairs:
    """The result of a repair.

    Attributes:
        mended: damages that were repaired, and how.
        left: damages that remain, and why.
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
    """Repair the damages that `Store.verify` finds; return those that were repaired, and those that remain.

    A cache or an index is removed. A state is quarantined and retrained from the nearest intact state before it,
    for a run whose record contains it; the states that refer to it are then intact again. The files of a completed
    run are regenerated from its states.

    Args:
        store: the store.
        runs: names of runs; if any are given, only the parts that they need are repaired.
        allow_environment_change: retrain states in another environment; the bits may differ.
        note: called with a message for each activity.

    Raises:
        Interrupted: a stop was requested; repaired parts stay repaired.
    """
    names = list(runs)
    damages = store.verify(*names)
    repairs, reasons = Repairs(), dict[str, str]()
    for damage in damages:
        place = place_in(store, damage)
        if place is not None and removal.is_cache(place):
            repairs.mended.append(Damage(damage.path, f"{damage.what}; {removal.remove(store, place)}"))
    records = _records(store, names)
    damaged = dict.fromkeys(_name(place) for damage in damages if (place := place_in(store, damage)) is not None)
    wanted, unassigned = assign(records, damaged)
    for name in unassigned:
        if not removal.quarantine_unneeded_state(store, name.removeprefix("states/"), records):
            reasons[name] = "no run of this store uses it; run the training that made it again"
    for one in wanted:
        note(f"run {one.record.run!r}: {one.text}")
        try:
            rebuild(store, one, allow_environment_change, note)
        except Interrupted:
            raise
        except Exception as error:  # including errors of the user's code
            text = str(error) if isinstance(error, FrostlineError) else f"{type(error).__name__}: {error}"
            for name in one.names:
                reasons[name] = f"run {one.record.run!r} cannot rebuild it ({' '.join(text.split())})"
    _judge(store, names, damages, reasons, repairs)
    return repairs


def _judge(store: Store, names: list[str], damages: list[Damage], reasons: dict[str, str], repairs: Repairs) -> None:
    """Verify again: sort the damages into repaired and remaining ones, and add the reasons to the latter."""
    left = store.verify(*names)
    removed, still = {damage.path for damage in repairs.mended}, {damage.path for damage in left}
    again = [damage for damage in damages if damage.path not in removed | still]
    repairs.mended += [Damage(damage.path, f"{damage.what}; it was rebuilt") for damage in again]
    for damage in left:
        place = place_in(store, damage)
        why = reasons.get(_name(place)) if place is not None else None
        repairs.left.append(Damage(damage.path, f"{damage.what}; {why}" if why else damage.what))


def place_in(store: Store, damage: Damage) -> Path | None:
    """Return a damage's path relative to the store; None if it lies elsewhere."""
    for root in (str(store.root), remote_dirs.url_or_path(store.root)):
        if damage.path.startswith(f"{root}/"):
            return Path(damage.path.removeprefix(f"{root}/"))
    return None


def _name(place: Path) -> str:
    """Return the name of the unit of repair that a place belongs to: a state, or a file of a run."""
    return "/".join(place.parts[: 3 if place.parts[0] == "runs" else 2]).removesuffix(remote_dirs.COMMIT)


def _records(store: Store, names: list[str]) -> list[RunRecord]:
    records = []
    for name in names or store.runs.names():
        with contextlib.suppress(FrostlineError):
            records.append(store.runs.read(name))
    return records
