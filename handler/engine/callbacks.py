"""The state of callbacks: what they must remember for a resumed training to go on as it would have.

Keras's own are known here by the names of their attributes. Any other says it by two methods:
`get_state()` returns plain JSON, `set_state(state)` takes it back; it is called after `on_train_begin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

REMEMBERED: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
}
STATELESS = (
    keras.callbacks.History,
    keras.callbacks.CSVLogger,
    keras.callbacks.TensorBoard,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.LambdaCallback,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.TerminateOnNaN,
)


def forgetful(callbacks: Sequence[Any]) -> list[str]:
    """Names of the callbacks that may lose something at a resumption: neither known here nor with `get_state`."""
    return [
        type(cb).__name__
        for cb in callbacks
        if not hasattr(cb, "get_state") and type(cb) not in REMEMBERED and not isinstance(cb, STATELESS)
    ]


def capture(callbacks: Sequence[Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The callbacks' state: plain JSON by position and class name, and the arrays they keep."""
    states: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, callback in _named(callbacks):
        if hasattr(callback, "get_state"):
            states[name] = callback.get_state()
        elif type(callback) in REMEMBERED:
            states[name] = {attribute: _plain(getattr(callback, attribute)) for attribute in REMEMBERED[type(callback)]}
            best = getattr(callback, "best_weights", None)
            if best is not None:
                arrays |= {f"callbacks/{name}/best/{i:04d}": np.asarray(weight) for i, weight in enumerate(best)}
    return states, arrays


def restore(callbacks: Sequence[Any], states: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Gives the callbacks their state back, after their `on_train_begin`."""
    for name, callback in _named(callbacks):
        if name not in states:
            continue
        if hasattr(callback, "set_state"):
            callback.set_state(states[name])
            continue
        for attribute, value in states[name].items():
            setattr(callback, attribute, value)
        best = [array for key, array in arrays.items() if key.startswith(f"callbacks/{name}/best/")]
        if hasattr(callback, "best_weights"):
            callback.best_weights = best or None


def steers(callback: Any) -> bool:
    """Whether a callback can change what is trained (loggers can't; an unknown one is taken to)."""
    return not isinstance(
        callback,
        (
            keras.callbacks.History,
            keras.callbacks.CSVLogger,
            keras.callbacks.TensorBoard,
            keras.callbacks.ModelCheckpoint,
            keras.callbacks.ProgbarLogger,
        ),
    )


def _named(callbacks: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(f"{i}:{type(callback).__name__}", callback) for i, callback in enumerate(callbacks)]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
