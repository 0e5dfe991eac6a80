"""The chain of keys: every state is named by what determines it."""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from handler.errors import DamagedError
from handler.schedule import Schedule
from handler.store import StateStore


def key_of(data: Any) -> str:
    """The key of JSON-able data: 32 hex digits of the sha256 of its canonical form."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Chain:
    """The keys of one training: `keys[e]` names the state after e epochs.

    `keys[0]` is the hash of what is declared, `keys[e + 1]` of `keys[e]`, the layers frozen in epoch e and the
    learning rate set at e. Neither names nor the number of epochs nor where segments are cut enters.
    """

    start: str
    schedule: Schedule

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """One key per epoch boundary, `training_epochs + 1` in all."""
        keys = [self.start]
        for epoch in range(self.schedule.training_epochs):
            keys.append(key_of([keys[-1], sorted(self.schedule.frozen(epoch)), self.schedule.learning_rate(epoch)]))
        return tuple(keys)

    @cached_property
    def ends(self) -> frozenset[int]:
        """The epochs in which a segment ends, and 0: the states there are kept."""
        return frozenset({0, *(segment.end for segment in self.schedule.segments)})

    def segment_start(self, epoch: int, step: int = 0) -> int:
        """The epoch in which the segment begins that leads to a state; 0 for the first one."""
        last = bisect.bisect_right(self._sorted_ends, epoch if step else epoch - 1)
        return self._sorted_ends[last - 1] if last else 0

    @cached_property
    def _sorted_ends(self) -> list[int]:
        return sorted(self.ends)

    def within(self, epoch: int, step: int) -> str:
        """The name of the state `step` steps into an epoch."""
        return within(self, epoch, step)


class Keyed(Protocol):
    """What has a training's keys, one per epoch boundary: its chain, or that of its record."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys."""


@dataclass(frozen=True)
class RecordedChain:
    """The keys of a training as its record has them."""

    keys: tuple[str, ...]


def within(chain: Keyed, epoch: int, step: int) -> str:
    """The name of the state `step` steps into an epoch."""
    return f"{chain.keys[epoch + 1]}-step-{step}"


@dataclass(frozen=True)
class Position:
    """A state of the chain that is on disk: its name, and the epochs and steps done there."""

    key: str
    epoch: int
    step: int = 0
    stopped: bool = False


def backwards(chain: Keyed, states: StateStore, first: int = 0, last: int | None = None) -> Iterator[Position]:
    """The states of a chain that are on disk, intact or not, from the last one trained to the first.

    Args:
        chain: the keys.
        states: where they are.
        first, last: only those of the epochs from `first` to `last`, steps within them included.
    """
    there, steps = states.there(), dict[str, list[int]]()
    for name in there:
        if "-step-" in name:
            key, _, step = name.rpartition("-step-")
            if step.isdigit():
                steps.setdefault(key, []).append(int(step))
    end = len(chain.keys) - 1
    for epoch in range(end if last is None else last, first - 1, -1):
        if steps and epoch < end:
            inside = sorted(steps.get(chain.keys[epoch + 1], ()), reverse=True)
            yield from (Position(within(chain, epoch, step), epoch, step) for step in inside)
        if chain.keys[epoch] in there:
            yield Position(chain.keys[epoch], epoch)


def snapshots_behind(chain: Chain, states: StateStore, epoch: int, step: int = 0) -> list[str]:
    """The states on disk that lie behind another one inside its segment, in the order in which they are trained: the
    snapshots that it makes needless, and those that a kill left there.
    """
    start = chain.segment_start(epoch, step)
    inside = backwards(chain, states, start, epoch)
    return [p.key for p in inside if (start, 0) < (p.epoch, p.step) < (epoch, step)][::-1]


def furthest(chain: Keyed, states: StateStore) -> Position | None:
    """The furthest intact state of a chain, steps within an epoch included; None where there is none."""
    found = reached(chain, states)
    return None if found is None else found[0]


def reached(chain: Keyed, states: StateStore) -> tuple[Position, dict[str, Any]] | None:
    """The furthest intact state of a chain and its manifest; None where there is none."""
    for position in backwards(chain, states):
        # Another process may drop it as a snapshot at any time.
        with contextlib.suppress(DamagedError):
            if states.intact(position.key):
                manifest = states.manifest(position.key)
                return replace(position, stopped=not position.step and manifest["stopped"]), manifest
    return None
