"""The states of a training: their keys, the state that satisfies a segment, their writer, their values in a model."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "TrainingState": "handler.store.training_state",
    "load_state": "handler.state.keras_state",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.state' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
