"""Repetition of the error of a diverged training, without training and without TensorFlow.

Training is deterministic, so it would become NaN or infinite at the same step each time.
"""

from __future__ import annotations

from handler.errors import NonFiniteError
from handler.records import Divergence, RunRecord
from handler.state.chain import HasKeys


def divergence_of(error: BaseException, chain: HasKeys) -> Divergence | None:
    """Return the entry of a run's record for an error, or None unless it is a `NonFiniteError` of a step.

    Args:
        error: the exception that ended the training.
        chain: the keys of the training.
    """
    if not isinstance(error, NonFiniteError) or not error.step:
        return None
    return Divergence(key=chain.keys[error.epoch + 1], epoch=error.epoch, step=error.step, text=str(error))


def refuse_again(record: RunRecord, chain: HasKeys) -> None:
    """Raise the recorded error again if the same training diverged before.

    Args:
        record: the record of the run.
        chain: the present keys of the training; another learning rate, mask or batch size gives other keys.

    Raises:
        NonFiniteError: as recorded.
    """
    ended = record.divergence
    if ended is not None and ended.key in chain.keys:
        raise NonFiniteError(ended.text, ended.epoch, ended.step)
