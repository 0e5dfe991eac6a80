"""The chain of keys: the name of a state is a hash of everything that determines the state."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from handler.errors import DamagedError, StoreError
from handler.schedule.schedule import Schedule
from handler.store.checksums import compute_key, parse_state_key, snapshot_key
from handler.store.states import StateStore


@dataclass(frozen=True)
class Chain:
    """The keys of one training: `keys[e]` names the state after e epochs.

    `keys[0]` is the hash of the declaration. `keys[e + 1]` is the hash of `keys[e]`, the layers frozen in epoch e and
    the learning rate set at e. Names, the number of epochs and the segment boundaries do not enter a key.

    Attributes:
        start: `keys[0]`.
        schedule: the schedule.
    """

    start: str
    schedule: Schedule

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """One key per epoch boundary, `training_epochs + 1` in all."""
        keys = [self.start]
        for epoch in range(self.schedule.training_epochs):
            # guard: rate-in-key
            keys.append(compute_key([keys[-1], sorted(self.schedule.frozen(epoch)), self.schedule.rate_set_at(epoch)]))
        return tuple(keys)

    @cached_property
    def ends(self) -> frozenset[int]:
        """The epochs at which a segment ends, and 0: the states there are kept."""
        return frozenset({0, *(segment.end for segment in self.schedule.segments)})

    def segment_start(self, epoch: int, step: int = 0) -> int:
        """Return the epoch at which the segment that leads to a state begins; 0 for the state at epoch 0."""
        return max((end for end in self.ends if end < epoch or (end == epoch and step)), default=0)

    def step_key(self, epoch: int, step: int) -> str:
        """Return the name of the state `step` steps into an epoch."""
        return snapshot_key(self.keys[epoch + 1], step)


@dataclass(frozen=True)
class Position:
    """A state of the chain that is on disk.

    Attributes:
        key: its name.
        epoch: epochs completed.
        step: steps completed in the epoch that follows; 0 between epochs.
        stopped: whether a callback ended the training here.
    """

    key: str
    epoch: int
    step: int = 0
    stopped: bool = False


def iter_states_latest_first(
    keys: Sequence[str], states: StateStore, first: int = 0, last: int | None = None
) -> Iterator[Position]:
    """Yield the states of a training that are on disk, intact or not, from the last one trained to the first.

    Args:
        keys: the training's keys, one per epoch boundary: those of its `Chain`, or those that its record lists.
        states: the store's states.
        first, last: only states of the epochs `first` to `last`, including steps within them; None: to the end.
    """
    stored, steps = states.stored_keys(), dict[str, list[int]]()
    for name in stored:
        key, step = parse_state_key(name)
        if step:
            steps.setdefault(key, []).append(step)
    end = len(keys) - 1
    for epoch in range(end if last is None else last, first - 1, -1):
        if steps and epoch < end:
            inside = sorted(steps.get(keys[epoch + 1], ()), reverse=True)
            yield from (Position(snapshot_key(keys[epoch + 1], step), epoch, step) for step in inside)
        if keys[epoch] in stored:
            yield Position(keys[epoch], epoch)


def superseded_snapshots(chain: Chain, states: StateStore, epoch: int, step: int = 0) -> list[str]:
    """Return the states on disk between a segment's start and a state in it, in the order in which they are trained.

    These are the snapshots that the state, at `epoch` and `step`, makes superfluous, and those that a killed process
    has left.
    """
    start = chain.segment_start(epoch, step)
    inside = iter_states_latest_first(chain.keys, states, start, epoch)
    return [p.key for p in inside if (start, 0) < (p.epoch, p.step) < (epoch, step)][::-1]


# See docs/decisions/0012-resume-from-the-latest-intact-state.md.
def latest_intact(keys: Sequence[str], states: StateStore, last: int | None = None) -> Position | None:
    """Return the furthest intact state of a training, including steps within an epoch; None if there is none.

    Args:
        keys, states, last: as for `iter_states_latest_first`.
    """
    latest = latest_with_manifest(keys, states, last)
    return None if latest is None else latest[0]


def latest_with_manifest(
    keys: Sequence[str], states: StateStore, last: int | None = None
) -> tuple[Position, dict[str, Any]] | None:
    """Return the furthest intact state of a training, as `latest_intact` does, and its manifest."""
    for position in iter_states_latest_first(keys, states, 0, last):
        # Another process may drop the snapshot at any time.
        with contextlib.suppress(DamagedError):
            if states.is_intact(position.key):
                manifest = states.manifest(position.key)
                return replace(position, stopped=not position.step and manifest["stopped"]), manifest
    return None


def recorded_threads(states: StateStore, keys: Iterable[str]) -> int | None:
    """Return the number of threads in the first of some states whose manifest is intact; None if there is none.

    The first state of a training may be lost while later ones exist.
    """
    stored = states.stored_keys()
    for key in dict.fromkeys(keys):
        if key in stored:
            with contextlib.suppress(StoreError, KeyError, TypeError, ValueError):
                return int(states.manifest(key)["environment"]["threads"])
    return None
