"""The store: states, pre-fit results, activation caches, backups and runs in one directory that outlives a process."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Damage": "handler.store.checksums",
    "PrefitCache": "handler.store.prefit_cache",
    "RunStore": "handler.store.runs",
    "StateStore": "handler.store.states",
    "Store": "handler.store.store",
    "local_root": "handler.store.remote_dirs",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.store' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
