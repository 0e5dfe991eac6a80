"""Looks for losses and metrics that are not finite, without a cost in the steps.

Keras's loss in a step's logs is the mean of the epoch so far: once it is NaN or infinite, it stays so. So one value is
fetched from the device now and then, and only where that is not finite, those of the steps before it are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from handler.errors import NonFiniteError

SECONDS = 1.0  # between two values that are fetched
MOST = 1 << 12  # steps whose losses are kept, each a scalar


def losses_of(logs: Any) -> dict[str, Any]:
    """The losses in a step's logs, which stay NaN or infinite once they are; metrics may be undefined in a step."""
    given = logs if isinstance(logs, Mapping) else {}
    return {name: value for name, value in given.items() if name == "loss" or name.endswith("_loss")}


def first_not_finite(logs: Mapping[str, Any]) -> tuple[str, float] | None:
    """The first value that is NaN or infinite, with its name; None where all are finite."""
    for name, value in logs.items():
        if getattr(value, "shape", ()) in ((), (1,)):
            try:
                number = float(value)
            except (TypeError, ValueError):  # text, say: what a train_step of one's own gives
                continue
            if not math.isfinite(number):
                return name, number
    return None


class LossWatch:
    """Watches the losses of the steps of one epoch."""

    def __init__(self) -> None:
        self._since: list[tuple[int, dict[str, Any]]] = []
        self._next = time.monotonic() + SECONDS

    def see(self, step: int, logs: Any) -> tuple[int, str, float] | None:
        """Takes note of a step's logs; looks at them now and then.

        Args:
            step: how many steps are done.
            logs: what the last of them gave; tensors.

        Returns:
            What `look` returns.
        """
        self._since.append((step, losses_of(logs)))
        if len(self._since) < MOST and time.monotonic() < self._next:
            return None
        return self.look()

    def look(self) -> tuple[int, str, float] | None:
        """The first step since the last look whose loss is not finite, the loss's name and its value; or None."""
        since, self._since, self._next = self._since, [], time.monotonic() + SECONDS
        if since and first_not_finite(since[-1][1]) is not None:
            for step, losses in since:
                found = first_not_finite(losses)
                if found is not None:
                    return step, *found
        return None


def first_weight_not_finite(variables: Iterable[Any]) -> str | None:
    """The path of the first variable that holds a NaN or an infinite value; None where all are finite.

    A sum is finite where all of its terms are, unless it overflows: only then the values themselves are looked at.
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
    """Refuses a state that was trained past a loss or a metric that is not finite.

    Args:
        history: as a state keeps it, None for a gap.

    Raises:
        NonFiniteError: names the first epoch of such a value.
    """
    found = [
        (epoch, name, value)
        for name, values in history.items()
        for epoch, value in enumerate(values)
        if value is not None and not math.isfinite(value)
    ]
    if found:
        epoch, name, value = min(found)
        raise NonFiniteError(
            f"{name} is {value} in epoch {epoch} (the first is 0) of the states that this training finds in the store, "
            "which were trained on with training.non_finite: continue or by an older version; set it to accept them",
            epoch,
            0,
        )


def non_finite_error(what: str, epoch: int, step: int, steps: int) -> NonFiniteError:
    """The error that says what became NaN or infinite, and where.

    Args:
        what: the object and its value, such as `loss is nan`.
        epoch: in which epoch, from 0.
        step: after how many steps of it.
        steps: how many steps an epoch has.
    """
    return NonFiniteError(
        f"{what} after step {step} of {steps} in epoch {epoch} (the first is 0); the last finite state is kept; lower "
        "the learning rate, clip the gradients or look at the data, or train on with training.non_finite: continue",
        epoch,
        step,
    )
