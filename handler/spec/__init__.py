"""The specification of a training: what a user writes, read and checked."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "CallbackSpec": "handler.spec.callbacks",
    "CompileSpec": "handler.spec.training_spec",
    "DataSpec": "handler.data.data_spec",
    "Entry": "handler.schedule.entries",
    "ModelSpec": "handler.spec.training_spec",
    "TrainingOptions": "handler.spec.training_spec",
    "TrainingSpec": "handler.spec.training_spec",
    "check_run_name": "handler.validation.run_name",
    "dump_spec": "handler.spec.reader",
    "load_spec": "handler.spec.reader",
    "parse_spec": "handler.spec.reader",
    "read_spec": "handler.spec.reader",
    "resolve_function": "handler.user_code.importer",
    "spec_error": "handler.validation.models",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'handler.spec' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*__all__]
