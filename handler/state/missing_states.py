"""Holes in a chain: states that were written and followed by later states, but are now damaged or missing.

No training needs them, because it resumes from a later state. `export` needs them for the model of their epoch, and
so does another schedule that resumes from them.
"""

import contextlib
from pathlib import Path

from handler.errors import DamagedError
from handler.errors.command_line import command_line
from handler.state.chain import Chain, Position
from handler.store import remote_dirs
from handler.store.states import StateStore


def repair_command(store: Path) -> str:
    """Return the command line that rebuilds the damaged states of a store."""
    return command_line("verify", "--repair", "--store", remote_dirs.url_or_path(store))


def describe_missing_states(chain: Chain, states: StateStore, position: Position | None) -> list[str]:
    """Return a sentence with the remedy for each hole before the furthest intact state, where a segment ends.

    A missing state is a hole only if a state in the store names it as its parent: the state at the end of a segment
    that was trained as a part of a longer one has never been written. States at a URL are not fetched, so that only
    missing ones are found there.
    """
    if position is None:
        return []
    stored, parents = states.stored_keys(), None
    at_url = remote_dirs.find_remote(states.root) is not None
    holes = dict[int, str]()
    for epoch in sorted(end for end in chain.ends if end < position.epoch or (end == position.epoch and position.step)):
        key = chain.keys[epoch]
        if key in stored:
            if not at_url and not states.is_intact(key):
                wrong = [f" ({damage.path}: {damage.what})" for damage in states.damages(key)[:1]]
                holes[epoch] = f"is damaged{''.join(wrong)}"
            continue
        if parents is None:
            parents = find_parents(chain, states, stored)
        if key in parents:
            holes[epoch] = "is missing"
    repair = repair_command(states.root.parent)
    remedy = f"a later state is intact, so no epoch is trained again; `{repair}` rebuilds it"
    return [f"the state after epoch {epoch} ({chain.keys[epoch]}) {what}; {remedy}" for epoch, what in holes.items()]


def find_parents(chain: Chain, states: StateStore, stored: set[str]) -> set[str]:
    """Return the states that the intact manifests of a chain's states name as their parents."""
    parents = set[str]()
    for key in chain.keys:
        if key in stored:
            with contextlib.suppress(DamagedError):
                parents.add(str(states.manifest(key)["parent"]))
    return parents


def is_prefix_of(states: StateStore, key: str, later: str) -> bool:
    """Return whether a later state's history begins with that of a state."""
    one, other = states.manifest(key)["history"], states.manifest(later)["history"]
    # Compared as text, because a value may be NaN.
    return all(repr(values) == repr(other.get(name, [])[: len(values)]) for name, values in one.items())
