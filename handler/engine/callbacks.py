"""The state of callbacks: what they must remember for a resumed training to go on as it would have.

Keras's own, and what derives from them, are known here by the names of their attributes. Any other says it by two
methods: `get_state()` returns plain JSON, `set_state(state)` takes it back; it is called after `on_train_begin`, and
again after `on_epoch_begin` where the state lies within an epoch. What they write to files is in `log_files`.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras.src.utils.python_utils import is_default

from handler.errors import MismatchError, SpecError
from handler.specification.callbacks import REFUSED
from handler.specification.refusals import shown
from handler.store.checked import digest_bytes

# How it compares enters with the first epoch, by the names of the metrics; `min_delta` changes its sign with it.
_MONITOR = ("best", "min_delta", "monitor_op")
REMEMBERED: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best_epoch", *_MONITOR),
    keras.callbacks.ReduceLROnPlateau: ("wait", "cooldown_counter", *_MONITOR),
    keras.callbacks.ModelCheckpoint: ("_batches_seen_since_last_saving", "_last_batch_seen", *_MONITOR),
}
STATELESS = (
    keras.callbacks.History,
    keras.callbacks.CSVLogger,
    keras.callbacks.TensorBoard,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.LambdaCallback,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.RemoteMonitor,
    keras.callbacks.TerminateOnNaN,
)


def check(callbacks: Sequence[Any]) -> None:
    """Refuses callbacks with which a training could not go on exactly.

    Raises:
        SpecError: names the callback and what would do.
    """
    for i, callback in enumerate(callbacks):
        for name in ("BackupAndRestore", "SwapEMAWeights"):
            if isinstance(callback, getattr(keras.callbacks, name)):
                raise SpecError(f"callbacks[{i}]", f"{name} can't be used here: {REFUSED[name]}")


def forgets(callback: Any) -> bool:
    """Whether a callback may lose something at a resumption: it isn't one of Keras's, and doesn't say its state."""
    return not _says_its_state(callback) and not isinstance(callback, (*REMEMBERED, *STATELESS))


def capture(callbacks: Sequence[Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The callbacks' state: plain JSON by class name and position among those of that class, and the arrays they keep.

    Raises:
        SpecError: a callback's `get_state()` returns something that isn't plain JSON.
    """
    states: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, callback in _named(callbacks):
        if not _has_memory(callback):
            continue
        states[name] = {attribute: _plain(getattr(callback, attribute)) for attribute in _attributes(callback)}
        if _says_its_state(callback):
            states[name]["own"] = _own_state(callback)
        for i, weight in enumerate(getattr(callback, "best_weights", None) or ()):
            arrays[f"callbacks/{name}/best/{i:04d}"] = np.asarray(weight)
    return states, arrays


def restore(callbacks: Sequence[Any], states: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Gives the callbacks their state back, after their `on_train_begin`. Twice is the same as once.

    Raises:
        MismatchError: the state has nothing of a callback that steers the training by what it remembers.
    """
    for name, callback in _named(callbacks):
        if name not in states:
            if _has_memory(callback) and steers(callback):
                raise MismatchError(
                    f"callback {name}: the state holds {', '.join(states) or 'no callbacks'}, so the training can't go "
                    "on as it would have; give the callbacks it was trained with, or begin anew"
                )
            continue
        for attribute, value in states[name].items():
            if attribute == "own":
                callback.set_state(copy.deepcopy(value))  # it may keep it, and it may be given it again
            elif attribute == "monitor_op":
                callback.monitor_op = value and getattr(keras.ops, value)
            elif attribute != "best" or not _is_lost(callback, value):
                setattr(callback, attribute, value)
        if hasattr(callback, "best_weights"):
            best = [array for key, array in arrays.items() if key.startswith(f"callbacks/{name}/best/")]
            callback.best_weights = best or None


def lost(callbacks: Sequence[Any], states: dict[str, Any]) -> list[str]:
    """What a person should know of files that a state's callbacks wrote and that aren't here, a sentence each."""
    return [
        f"{callback.filepath} isn't here: another run saved the best model so far; this one saves the best from now on"
        for name, callback in _named(callbacks)
        if _is_lost(callback, states.get(name, {}).get("best"))
    ]


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
            keras.callbacks.RemoteMonitor,
        ),
    )


def wants_batches(callbacks: Sequence[Any], *, of: Literal["train", "test"] = "train") -> bool:
    """Whether a callback is to be told of each batch; one that leaves Keras's methods for it as they are needn't be."""
    methods = [f"on_{of}_batch_begin", f"on_{of}_batch_end"]
    if of == "train":
        methods += ["on_batch_begin", "on_batch_end"]
    return any(
        not is_default(getattr(callback, method))
        for callback in callbacks
        for method in methods
        if not (isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_freq == "epoch")
    )


def _named(callbacks: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The callbacks by names that stay whatever loggers stand between them, since those may change from run to run."""
    seen: Counter[str] = Counter()
    for callback in callbacks:
        kind = type(callback).__name__
        which = str(seen[kind])
        seen[kind] += 1
        if isinstance(callback, keras.callbacks.ModelCheckpoint):  # its memory is of what it was told to watch
            told = (callback.monitor, callback.mode, callback.save_best_only, callback.save_freq)
            which = digest_bytes(json.dumps([Path(callback.filepath).name, *told]).encode())[:8]
        yield f"{kind}:{which}", callback


def _attributes(callback: Any) -> list[str]:
    return [name for kind, names in REMEMBERED.items() if isinstance(callback, kind) for name in names]


def _says_its_state(callback: Any) -> bool:
    return hasattr(callback, "get_state") and hasattr(callback, "set_state")


def _has_memory(callback: Any) -> bool:
    return _says_its_state(callback) or isinstance(callback, tuple(REMEMBERED))


def _is_lost(callback: Any, best: float | None) -> bool:
    """Whether the file with the best model so far isn't here: kept in mind, what was best would never be saved here."""
    if best is None or not isinstance(callback, keras.callbacks.ModelCheckpoint) or not callback.save_best_only:
        return False
    return not callback._get_most_recently_modified_file_matching_pattern(str(Path(callback.filepath).absolute()))


def _plain(value: Any) -> Any:
    return value.__name__ if callable(value) else value.item() if hasattr(value, "item") else value


def _own_state(callback: Any) -> Any:
    state = callback.get_state()
    for path, value in _not_plain(state, ""):
        raise SpecError(
            f"callback {type(callback).__name__}",
            "get_state() must return plain JSON (text, numbers, true, false, null, lists, mappings with text as keys), "
            f"but {path or 'it'} is of type {type(value).__name__}: {shown(value)}",
        )
    return copy.deepcopy(state)  # it is written behind the training, which goes on


def _not_plain(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What JSON would not give back as it is."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                yield f"a key {path}".strip(), key
            yield from _not_plain(part, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _not_plain(part, f"{path}[{i}]")
    elif not (value is None or isinstance(value, str | bool | int | float)):
        yield path, value
