"""The state that callbacks need so that a resumed training matches an uninterrupted one.

For Keras's own callbacks and their subclasses, `callback_rules` lists the attributes to save. Any other callback
provides its state by two methods: `get_state()` returns plain JSON, and `set_state(state)` restores it. `set_state` is
called after `on_train_begin`, and again after `on_epoch_begin` if the state lies within an epoch. `loggers` restores
the files that callbacks write.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from handler.backend.callbacks import has_saved_model, is_default
from handler.errors import MismatchError, SpecError
from handler.errors.quoting import quote
from handler.spec.callback_rules import RULES, CallbackRule
from handler.store.checksums import digest_bytes


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Raise `SpecError` for callbacks with which a training could not be resumed exactly."""
    for i, callback in enumerate(callbacks):
        for name in ("BackupAndRestore", "SwapEMAWeights"):  # guard: unsupported-callbacks-refused
            if isinstance(callback, getattr(keras.callbacks, name)):
                raise SpecError(f"callbacks[{i}]", f"{name} can't be used here: {RULES[name].refused}")


def has_unsaved_state(callback: Any) -> bool:
    """Return whether a callback may lose state on resume.

    It may if it is not derived from one of Keras's callbacks with known attributes and has no `get_state()` and
    `set_state()`.
    """
    return not _says_its_state(callback) and all(rule.state is None for rule in _rules(callback))


def capture(callbacks: Sequence[Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the state of the callbacks.

    Returns:
        Plain JSON by class name and position among the callbacks of that class (for a `ModelCheckpoint`, by class name
        and a digest of its arguments), and the arrays that callbacks keep.

    Raises:
        SpecError: a callback's `get_state()` returns a value that is not plain JSON.
    """
    states: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, callback in _named(callbacks):
        if not _has_memory(callback):
            continue
        states[name] = {attribute: _plain(getattr(callback, attribute)) for attribute in _attributes(callback)}
        if _says_its_state(callback):
            states[name]["own"] = _own_state(callback)  # guard: own-state-captured
        for i, weight in enumerate(getattr(callback, "best_weights", None) or ()):  # guard: best-weights-captured
            arrays[f"callbacks/{name}/best/{i:04d}"] = np.asarray(weight)
    return states, arrays


def restore(callbacks: Sequence[Any], states: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Restore the state of the callbacks, after their `on_train_begin`. Idempotent.

    Args:
        callbacks: the callbacks.
        states, arrays: the two values that `capture` returned; `arrays` may hold other arrays as well.

    Raises:
        MismatchError: the state lacks a callback whose memory affects the training.
    """
    for name, callback in _named(callbacks):
        if name in states:
            best = [array for key, array in arrays.items() if key.startswith(f"callbacks/{name}/best/")]
            _restore_one(callback, states[name], best)
        elif _has_memory(callback) and affects_training(callback):  # guard: steering-callback-without-state
            raise MismatchError(
                f"callback {name}: the state holds {', '.join(states) or 'no callbacks'}, so the training can't "
                "resume exactly; pass the callbacks that it was trained with, or start a new training"
            )


def _restore_one(callback: Any, state: dict[str, Any], best_weights: list[np.ndarray]) -> None:
    for attribute, value in state.items():
        if attribute == "own":
            callback.set_state(copy.deepcopy(value))  # a copy: the callback may keep and change it
        elif attribute == "monitor_op":
            callback.monitor_op = value and getattr(keras.ops, value)  # guard: monitor-op
        elif attribute != "best" or not _is_lost(callback, value):  # guard: best-of-another-run
            setattr(callback, attribute, value)
    if hasattr(callback, "best_weights"):
        callback.best_weights = best_weights or None  # guard: best-weights-restored


def missing_file_notes(callbacks: Sequence[Any], states: dict[str, Any]) -> list[str]:
    """Return a note for each file that the callbacks of a state wrote and that is missing in this run.

    Args:
        callbacks: the callbacks.
        states: their state, as `capture` returned it.
    """
    return [
        f"{callback.filepath} belongs to another run, which saved the best model so far; this run saves each better one"
        for name, callback in _named(callbacks)
        if _is_lost(callback, states.get(name, {}).get("best"))
    ]


def affects_training(callback: Any) -> bool:
    """Return whether a callback can affect the training: Keras's loggers cannot, an unknown callback is assumed to."""
    return all(rule.affects_training for rule in _rules(callback))


def has_batch_hooks(callbacks: Sequence[Any], *, of: Literal["train", "test"] = "train") -> bool:
    """Return whether a callback overrides one of Keras's per-batch methods, so that it must be called for each batch.

    Args:
        callbacks: the callbacks.
        of: whether the batches are those of the training or of an evaluation.
    """
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
    """Yield the callbacks with names that do not depend on the loggers among them, which may differ between runs."""
    seen: Counter[str] = Counter()
    for callback in callbacks:
        kind = type(callback).__name__
        which = str(seen[kind])  # guard: callback-identified-by-class
        seen[kind] += 1
        # guard: checkpoint-identified-by-monitor
        if isinstance(callback, keras.callbacks.ModelCheckpoint):  # its memory belongs to its file, metric and mode
            fields = (callback.monitor, callback.mode, callback.save_best_only, callback.save_freq)
            which = digest_bytes(json.dumps([Path(callback.filepath).name, *fields]).encode())[:8]
        yield f"{kind}:{which}", callback


def _rules(callback: Any) -> list[CallbackRule]:
    """Return the rules for Keras's classes from which a callback is derived."""
    return [rule for name, rule in RULES.items() if isinstance(callback, getattr(keras.callbacks, name, ()))]


def _attributes(callback: Any) -> list[str]:
    return [name for rule in _rules(callback) for name in rule.state or ()]


def _says_its_state(callback: Any) -> bool:
    return hasattr(callback, "get_state") and hasattr(callback, "set_state")


def _has_memory(callback: Any) -> bool:
    return _says_its_state(callback) or bool(_attributes(callback))


def _is_lost(callback: Any, best: float | None) -> bool:
    """Return whether the file with the best model is missing.

    The best value must then not be restored, because a worse model would never be saved in this run.
    """
    if best is None or not isinstance(callback, keras.callbacks.ModelCheckpoint) or not callback.save_best_only:
        return False
    return not has_saved_model(callback)


def _plain(value: Any) -> Any:
    return value.__name__ if callable(value) else value.item() if hasattr(value, "item") else value


def _own_state(callback: Any) -> Any:
    state = callback.get_state()
    for path, value in _not_plain(state, ""):  # guard: own-state-plain-json
        raise SpecError(
            f"callback {type(callback).__name__}",
            "get_state() must return plain JSON (text, numbers, true, false, null, lists, mappings with text as keys), "
            f"but {path or 'it'} is of type {type(value).__name__}: {quote(value)}",
        )
    # guard: own-state-copied
    return copy.deepcopy(state)  # it is written in the background while the training continues


def _not_plain(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each part that JSON would not preserve."""
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
