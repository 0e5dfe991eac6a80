"""Whether a segment is done, and which state says so: the one rule of the plan, the flow and the notebook.

A segment is done where the state at its end is intact, or a later state of its chain, or a state in which a callback
ended the training. No TensorFlow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from handler.chain import Chain, Position, furthest, snapshots_behind
from handler.errors import DamagedError
from handler.observe import Observer
from handler.record import SegmentRecord, Source
from handler.schedule import Segment
from handler.store import StateStore


@dataclass(frozen=True)
class Completion:
    """How a segment is done.

    Attributes:
        state: the key of the intact state that satisfies it: the one at its own end, or else a later one.
        end: the epoch it ended with; before the segment's end where a callback ended the training in it.
        stopped: whether a callback ended the training in it.
    """

    state: str
    end: int
    stopped: bool = False


def completed_end(segment: Segment, position: Position | None) -> int | None:
    """The epoch that a segment ended with, judged by the furthest intact state of its chain.

    Args:
        segment: the segment.
        position: the furthest intact state; None where the store has none.

    Returns:
        The epoch; None where epochs of the segment are left to train.
    """
    if position is not None and position.epoch >= segment.end:
        return segment.end
    if position is not None and position.stopped:
        return position.epoch
    return None


def find_completion(chain: Chain, states: StateStore, segment: Segment) -> Completion | None:
    """The state that satisfies a segment; None where epochs of it are left to train.

    Raises:
        StoreError: a state can't be read, though it may be intact.
    """
    own = chain.keys[segment.end]
    with contextlib.suppress(DamagedError):  # another process may drop it at any time
        if states.intact(own):
            return Completion(own, segment.end, bool(states.manifest(own)["stopped"]))
    position = furthest(chain, states)
    end = completed_end(segment, position)
    if position is None or end is None:
        return None
    return Completion(position.key, end, position.stopped and end == position.epoch)


def use_completed(
    chain: Chain, states: StateStore, segment: Segment, observers: Iterable[Observer] = ()
) -> SegmentRecord | None:
    """Answers a segment from the store: its state is kept from now on, and the snapshots behind it are removed.

    Args:
        chain: the keys.
        states: where the states are.
        segment: the segment.
        observers: notified where the segment is done.

    Returns:
        The segment as cached; None where epochs of it are left to train.
    """
    while True:
        done = find_completion(chain, states, segment)
        if done is None:
            return None
        own = done.state == chain.keys[done.end]
        if own and not states.keep(done.state):
            continue  # it was a snapshot, and another process has just removed it
        if own:
            states.drop_snapshots(snapshots_behind(chain, states, done.end))
        record = record_segment(segment, done.end, done.state, "cached", stopped=done.stopped)
        for observer in observers:
            observer.on_segment_end(record)
        return record


def record_segment(
    segment: Segment,
    end: int,
    state: str,
    source: Source,
    *,
    trained_epochs: int = 0,
    seconds: float = 0.0,
    stopped: bool = False,
) -> SegmentRecord:
    """What a run's record says of a segment that is done."""
    return SegmentRecord(
        index=segment.index,
        start=segment.start,
        end=end,
        state=state,
        source=source,
        trained_epochs=trained_epochs,
        seconds=seconds,
        frozen=list(segment.frozen),
        learning_rate=segment.learning_rate,
        stopped=stopped,
    )
