"""A training from a specification, in a store, stage by stage."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "RunInputs": "handler.run.inputs",
    "TrainingRun": "handler.run.training_run",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.run' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
