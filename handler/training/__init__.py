"""Training of live objects: everything that a notebook needs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "DLModelHandler": "handler.training.model_handler",
    "DLTrainingHandler": "handler.training.training_handler",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.training' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
