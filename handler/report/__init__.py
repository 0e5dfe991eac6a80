"""The HTML report of a run, and the image of a schedule. Imports neither TensorFlow nor Prefect."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "curves_image": "handler.report.curves_svg",
    "draw_schedule": "handler.report.schedule_png",
    "write_report": "handler.report.page",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.report' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
