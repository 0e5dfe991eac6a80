"""Repetition of the error of a diverged training, without training and without TensorFlow.

Training is deterministic, so it would become NaN or infinite at the same step each time.
"""

from collections.abc import Sequence

from handler.errors import NonFiniteError
from handler.records import Divergence, RunRecord


def describe_divergence(error: BaseException, keys: Sequence[str]) -> Divergence | None:
    """Return the record's entry for the error that ended a training; None unless it is a `NonFiniteError` of a step."""
    if not isinstance(error, NonFiniteError) or not error.step:
        return None
    return Divergence(key=keys[error.epoch + 1], epoch=error.epoch, step=error.step, text=str(error))


def refuse_again(record: RunRecord, keys: Sequence[str]) -> None:
    """Raise the recorded error again if the same training diverged before.

    Args:
        record: the record of the run.
        keys: the present keys of the training; another learning rate, mask or batch size gives other keys.
    """
    ended = record.divergence
    if ended is not None and ended.key in keys:
        raise NonFiniteError(ended.text, ended.epoch, ended.step)
