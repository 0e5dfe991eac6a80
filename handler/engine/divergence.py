"""Says again, without training, where a training ended because a value became NaN or infinite. Needs no TensorFlow.

A training is exact, so it would end there each time.
"""

from __future__ import annotations

from handler.chain import Keyed
from handler.errors import NonFiniteError
from handler.record import Divergence, RunRecord


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
