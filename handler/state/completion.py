"""Completed segments: the one rule of the plan, the flow and the notebook. No TensorFlow.

A segment is completed if one of these states is intact: the state at its end, a later state of its chain, or a
state in which a callback ended the training.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from handler.errors import DamagedError
from handler.observer import Observer
from handler.records import SegmentRecord, Source
from handler.schedule.schedule import Segment
from handler.state.chain import Chain, Position, latest_intact, superseded_snapshots
from handler.store.states import StateStore


@dataclass(frozen=True)
class Completion:
    """The state that satisfies a completed segment.

    Attributes:
        state: the key of that intact state: the one at the segment's end, a later one, or the one in which a
            callback ended the training.
        end: the epoch at which the segment ended; before its planned end if a callback ended the training.
        stopped: whether a callback ended the training at `end`.
    """

    state: str
    end: int
    stopped: bool = False


def completed_end(segment: Segment, position: Position | None) -> int | None:
    """Return the epoch at which a segment ended; None if epochs of it must be trained.

    Args:
        segment: the segment.
        position: the furthest intact state of its chain; None if the store has none.
    """
    if position is not None and position.epoch >= segment.end:
        return segment.end
    if position is not None and position.stopped:
        return position.epoch
    return None


# See docs/decisions/0050-one-rule-for-completed-segments.md.
def find_completion(chain: Chain, states: StateStore, segment: Segment) -> Completion | None:
    """Return the state that satisfies a segment; None if epochs of it must be trained.

    Raises:
        StoreError: a state can't be read, although it may be intact.
    """
    own = chain.keys[segment.end]
    with contextlib.suppress(DamagedError):  # another process may drop the state at any time
        if states.is_intact(own):
            return Completion(own, segment.end, bool(states.manifest(own)["stopped"]))
    position = latest_intact(chain.keys, states)
    end = completed_end(segment, position)
    if position is None or end is None:
        return None
    return Completion(position.key, end, position.stopped and end == position.epoch)


# See docs/decisions/0028-snapshots-removed-when-a-segment-is-cached.md.
def use_completed(
    chain: Chain, states: StateStore, segment: Segment, observers: Iterable[Observer] = ()
) -> SegmentRecord | None:
    """Return a segment's record with the source `cached`; None if epochs of it must be trained.

    If the segment is completed, its state is kept permanently, the snapshots before it are removed, and the observers
    are notified.
    """
    while True:
        done = find_completion(chain, states, segment)
        if done is None:
            return None
        own = done.state == chain.keys[done.end]
        if own and not states.promote_snapshot(done.state):  # guard: vanished-snapshot-searched-again
            continue  # the state was a snapshot, and another process has just removed it
        if own:
            states.drop_snapshots(superseded_snapshots(chain, states, done.end))  # guard: snapshots-dropped-when-cached
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
    """Return the record of a completed segment."""
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
