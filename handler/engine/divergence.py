"""Says again, without training, where a training ended because a value became NaN or infinite. Needs no TensorFlow.

A training is exact, so it would end there each time.
"""

from __future__ import annotations

from typing import Any

from handler.chain import Keyed
from handler.engine.finite import check_history
from handler.errors import NonFiniteError
from handler.record import Divergence, RunRecord
from handler.store import StateStore


def divergence_of(error: BaseException, chain: Keyed) -> Divergence | None:
    """What a run's record keeps of an error; None of any but a `NonFiniteError` of a step.

    Args:
        error: what ended the training.
        chain: the training's keys.
    """
    if not isinstance(error, NonFiniteError) or not error.step:
        return None
    return Divergence(key=chain.keys[error.epoch + 1], epoch=error.epoch, step=error.step, text=str(error))


def refuse_again(record: RunRecord, chain: Keyed) -> None:
    """Refuses what ended before because a value became NaN or infinite.

    Args:
        record: the run's.
        chain: the training's keys as they are now: another rate, mask or batch size gives others.

    Raises:
        NonFiniteError: as before.
    """
    ended = record.divergence
    if ended is not None and ended.key in chain.keys:
        raise NonFiniteError(ended.text, ended.epoch, ended.step)


def is_finite(record: RunRecord, states: StateStore) -> bool:
    """Whether the losses and metrics on the way to a completed run's state are finite."""
    history: dict[str, Any] = states.manifest(record.state)["history"] if record.state else {}
    try:
        check_history(history)
    except NonFiniteError:
        return False
    return True
