"""Effects of Keras's own callbacks on a schedule: the learning rate in force, and epochs that may not be reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from handler.records import RateInForce, rate_text
from handler.spec.callbacks import CallbackSpec

if TYPE_CHECKING:
    from handler.schedule.schedule import Schedule

SETS_RATE = "LearningRateScheduler"
LOWERS_RATE = "ReduceLROnPlateau"


def rate_in_force(
    callbacks: Sequence[CallbackSpec], schedule: Schedule, epoch: int, initial: float | None
) -> RateInForce:
    """Return the learning rate in force at the first epoch of a segment.

    Args:
        callbacks: the specification's callbacks.
        schedule: the schedule.
        epoch: the epoch.
        initial: the optimizer's rate; None if it has a learning-rate schedule of its own.
    """
    names = {callback.name for callback in callbacks}
    if SETS_RATE in names:  # in each epoch, so it overrides the schedule and a ReduceLROnPlateau
        return RateInForce(None, SETS_RATE)
    if LOWERS_RATE in names:  # perhaps in an epoch before
        rate, setter = schedule.rate_set_at(epoch), LOWERS_RATE
    else:
        rate, setter = schedule.rate_in_force(epoch, initial), "the optimizer"
    return RateInForce(rate, "" if rate is not None else setter)


def conflicts(callbacks: Sequence[CallbackSpec], schedule: Schedule) -> list[str]:
    """Return a message for each callback that prevents a part of the schedule from taking effect.

    Args:
        callbacks: the specification's callbacks.
        schedule: the schedule.
    """
    sentences = []
    for i, callback in enumerate(callbacks):
        text = ""
        if callback.name == SETS_RATE:
            text = _overrides_rate(schedule)
        elif callback.name == "EarlyStopping":
            text = _ends_early(callback, schedule)
        if text:
            sentences.append(f"training.callbacks[{i}]: {callback.name} {text}")
    return sentences


def _overrides_rate(schedule: Schedule) -> str:
    setting = [segment for segment in schedule.segments if segment.learning_rate is not None]
    if not setting:
        return ""
    rates = ", ".join(f"{rate_text(segment.learning_rate)} from epoch {segment.start} on" for segment in setting)
    return (
        f"sets the rate of every epoch, so a rate that the schedule sets ({rates}) is used for no step: the callback's "
        "function only receives it; let the function return it, or remove the callback or initial_learning_rate"
    )


def _ends_early(callback: CallbackSpec, schedule: Schedule) -> str:
    first = earliest_end(callback)
    last = schedule.segments[-1].start
    if last < first:
        return ""
    missed = [f"{segment.start}-{segment.end}" for segment in schedule.segments if segment.start >= first]
    return (
        f"may end the training after {first} epochs; the segments of epochs {', '.join(missed)} are not trained then; "
        f"start_from_epoch: {last} reaches all segments"
    )


def earliest_end(callback: CallbackSpec) -> int:
    """Return the least number of epochs after which an EarlyStopping can end a training."""
    given = callback.arguments()
    # The first epoch that counts is the best so far. If it misses a baseline, it already counts as without progress.
    waiting = given.get("patience", 0) - (given.get("baseline") is not None)
    return int(given.get("start_from_epoch", 0)) + max(waiting, 1) + 1
