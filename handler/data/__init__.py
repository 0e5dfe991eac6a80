"""Data sources (arrays and lidar clouds), receptive fields and prediction of whole clouds. Imports no TensorFlow."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Cloud": "handler.data.cloud",
    "DataShape": "handler.data.dataset",
    "Dataset": "handler.data.dataset",
    "IGNORED": "handler.data.cloud",
    "check_clouds": "handler.data.sources",
    "codes_of": "handler.data.cloud",
    "files": "handler.data.sources",
    "labels_of": "handler.data.cloud",
    "load": "handler.data.sources",
    "shape": "handler.data.sources",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.data' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
