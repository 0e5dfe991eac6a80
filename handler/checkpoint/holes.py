"""Holes in a chain: states that were written, that later states follow, and that are damaged or missing now.

No training needs them: it resumes from a later state. They are needed to export the model of their epoch, and by
another schedule that resumes from them.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from handler.chain import Chain, Position, backwards
from handler.errors import DamagedError
from handler.specification.command_line import command_line
from handler.store import StateStore, mirror


def repair_command(store: Path) -> str:
    """The command that rebuilds what is damaged in a store, as it can be typed."""
    return command_line("verify", "--repair", "--store", mirror.place_of(store))


@dataclass(frozen=True)
class Hole:
    """A state of a chain that is damaged or missing, while a later one is intact."""

    store: Path
    key: str
    epoch: int
    what: str

    @property
    def text(self) -> str:
        """The hole as a sentence with its remedy."""
        return (
            f"the state after epoch {self.epoch} ({self.key}) {self.what}; a later state is intact, so nothing is "
            f"trained again; `{repair_command(self.store)}` rebuilds it"
        )


def find_holes(chain: Chain, states: StateStore, position: Position | None) -> list[Hole]:
    """The holes before the furthest intact state, at the epochs in which the chain's segments end.

    A state that is missing is a hole only where a state in the store names it as its parent: the state of a segment
    that was trained as a part of a longer one has never been written.

    Args:
        chain: the keys.
        states: where the states are; those at a URL are not fetched, so that only missing ones are named there.
        position: the furthest intact state.
    """
    if position is None:
        return []
    there, parents, store = states.there(), None, states.root.parent
    at_url = mirror.remote_of(states.root) is not None
    holes = []
    for epoch in sorted(end for end in chain.ends if end < position.epoch or (end == position.epoch and position.step)):
        key = chain.keys[epoch]
        if key in there:
            if not at_url and not states.intact(key):
                wrong = [f" ({damage.path}: {damage.what})" for damage in states.damages(key)[:1]]
                holes.append(Hole(store, key, epoch, f"is damaged{''.join(wrong)}"))
            continue
        if parents is None:
            parents = find_parents(chain, states, there)
        if key in parents:
            holes.append(Hole(store, key, epoch, "is missing"))
    return holes


def find_parents(chain: Chain, states: StateStore, there: set[str]) -> set[str]:
    """The states that the intact manifests of a chain's states name as their parents."""
    found = set[str]()
    for key in chain.keys:
        if key in there:
            with contextlib.suppress(DamagedError):
                found.add(str(states.manifest(key)["parent"]))
    return found


def nearest_before(chain: Chain, states: StateStore, epoch: int) -> Position | None:
    """The furthest intact state before an epoch, steps within the epochs before it included."""
    if not epoch:
        return None
    for position in backwards(chain, states, 0, epoch - 1):
        with contextlib.suppress(DamagedError):
            if states.intact(position.key):
                return position
    return None


def is_prefix_of(states: StateStore, key: str, later: str) -> bool:
    """Whether the history of a state is how that of a later one begins."""
    one, other = states.manifest(key)["history"], states.manifest(later)["history"]
    # As text: a value may be NaN.
    return all(repr(values) == repr(other.get(name, [])[: len(values)]) for name, values in one.items())
