"""Detection of losses, metrics and weights that are not finite, at no cost in the training steps.

The loss in a step's logs is Keras's mean over the epoch so far: once it is NaN or infinite, it stays so. Therefore
only one value is fetched from the device at intervals. Only if it is not finite, the values of the steps before it
are fetched.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from handler.errors import NonFiniteError

CHECK_SECONDS = 1.0  # between two fetched values
MOST_LISTED = 1 << 12  # the most steps whose losses (scalars) are kept


def select_losses(logs: Any) -> dict[str, Any]:
    """Return the losses in a step's logs, which stay NaN or infinite; a metric may be undefined in a single step."""
    given = logs if isinstance(logs, Mapping) else {}
    return {name: value for name, value in given.items() if name == "loss" or name.endswith("_loss")}


def first_not_finite(logs: Mapping[str, Any]) -> tuple[str, float] | None:
    """Return the name and the value of the first value that is NaN or infinite, or None if all are finite."""
    for name, value in logs.items():
        if getattr(value, "shape", ()) in ((), (1,)):
            try:
                number = float(value)
            except (TypeError, ValueError):  # e.g. text in the logs of a custom train_step
                continue
            if not math.isfinite(number):
                return name, number
    return None


# See docs/decisions/0045-non-finite-losses.md.
class LossWatch:
    """A watch on the losses of the steps of one epoch."""

    def __init__(self) -> None:
        self._since: list[tuple[int, dict[str, Any]]] = []
        self._next = time.monotonic() + CHECK_SECONDS

    def record(self, step: int, logs: Any) -> tuple[int, str, float] | None:
        """Record the losses of a step, and return the result of `check` at intervals; None in between.

        Args:
            step: the number of steps done.
            logs: the logs of the last of them, as tensors.
        """
        self._since.append((step, select_losses(logs)))
        if len(self._since) < MOST_LISTED and time.monotonic() < self._next:
            return None
        return self.check()

    def check(self) -> tuple[int, str, float] | None:
        """Return the first step since the last check with a non-finite loss, the loss's name and its value; or None."""
        since, self._since, self._next = self._since, [], time.monotonic() + CHECK_SECONDS
        if since and first_not_finite(since[-1][1]) is not None:
            for step, losses in since:
                non_finite = first_not_finite(losses)
                if non_finite is not None:
                    return step, *non_finite
        return None


def first_weight_not_finite(variables: Iterable[Any]) -> str | None:
    """Return the path of the first variable that contains a NaN or an infinite value, or None if all are finite.

    A sum of finite values is finite unless it overflows. Therefore the values themselves are checked only if the sum is
    not finite.
    """
    import tensorflow as tf

    floats = [variable for variable in variables if "float" in str(variable.dtype)]
    if not floats:
        return None
    sums = tf.stack([tf.reduce_sum(tf.cast(tf.convert_to_tensor(v.value), tf.float32)) for v in floats]).numpy()
    for variable, total in zip(floats, sums, strict=True):
        if not math.isfinite(total) and not np.isfinite(variable.numpy().astype(np.float64)).all():
            return str(variable.path)
    return None


def check_history(history: Mapping[str, Sequence[float | None]]) -> None:
    """Raise `NonFiniteError` for a state whose training passed a non-finite loss or metric; it names the first epoch.

    Args:
        history: the history of a state, with None for a gap.
    """
    non_finite = [
        (epoch, name, value)
        for name, values in history.items()
        for epoch, value in enumerate(values)
        if value is not None and not math.isfinite(value)
    ]
    if non_finite:
        epoch, name, value = min(non_finite)
        raise NonFiniteError(
            f"{name} is {value} in epoch {epoch} (the first is 0) of this training's states in the store, which were "
            "made with training.non_finite: continue or by an older version; set non_finite: continue to use them",
            epoch,
            0,
        )


def non_finite_error(what: str, epoch: int, step: int, steps: int) -> NonFiniteError:
    """Return the error for a value that became NaN or infinite.

    Args:
        what: the object and its value, such as `loss is nan`.
        epoch: the epoch, from 0.
        step: the number of steps done in that epoch.
        steps: the number of steps in an epoch.
    """
    return NonFiniteError(
        f"{what} after step {step} of {steps} in epoch {epoch} (the first is 0); the last finite state is stored; "
        "lower the learning rate, clip the gradients or check the data, or set training.non_finite: continue",
        epoch,
        step,
    )
