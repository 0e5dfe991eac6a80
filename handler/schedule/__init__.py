"""The schedule: when which layers are frozen. Pure data, no TensorFlow."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Op": "handler.schedule.layer_groups",
    "Schedule": "handler.schedule.schedule",
    "Segment": "handler.schedule.schedule",
    "check_schedule": "handler.schedule.schedule",
    "compute_schedule": "handler.schedule.schedule",
    "random_turns": "handler.schedule.schedule",
    "round_robin_turns": "handler.schedule.schedule",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.schedule' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
