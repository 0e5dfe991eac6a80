"""Detection, without importing them, of user callbacks whose state is lost when a run resumes."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from pathlib import Path

from handler.spec.callbacks import CallbackSpec
from handler.spec.keras_objects import CALLBACK
from handler.user_code.modules import find_module, parse_module, top_level_statements
from handler.user_code.reference import is_reference

STATE = {"get_state", "set_state"}


def warnings(callbacks: Sequence[CallbackSpec], folder: Path) -> list[str]:
    """Return a message for each callback whose code shows that it does not save its state.

    Args:
        callbacks: the specification's callbacks.
        folder: the specification's folder, where its modules are looked up.
    """
    return [
        forgotten(i, callback.name)
        for i, callback in enumerate(callbacks)
        if is_reference(callback.name) and remembers(callback.name, folder) is False  # guard: callback-memory-warning
    ]


def forgotten(index: int, name: str) -> str:
    """Return the message for one callback."""
    return (
        f"training.callbacks[{index}]: {name} has no get_state and set_state, so what it remembers is lost when a run "
        "goes on; give it both, unless it remembers nothing"
    )


def remembers(reference: str, folder: Path) -> bool | None:
    """Return whether a class `module:Class` saves its state.

    It does if it has `get_state` and `set_state`, or derives from one of Keras's callbacks, whose state Frostline
    saves.

    Args:
        reference: `module:Class`.
        folder: the specification's folder, where the module is looked up.

    Returns:
        None if the code does not determine it: a function that makes a callback, a class of another package.
    """
    module, name = reference.split(":")
    methods: set[str] = set()
    known = _look_up(module, name, folder, methods, math.inf, frozenset())
    return True if methods >= STATE else known


def _look_up(
    module: str, name: str, folder: Path, methods: set[str], before: float, seen: frozenset[tuple[str, str, float]]
) -> bool | None:
    """Add the methods of a class and its bases to `methods`, and return whether a Keras callback is among the bases.

    Returns:
        None if the code does not determine it.
    """
    file = find_module(module, folder)
    if file is None or (module, name, before) in seen:
        return True if name in CALLBACK.table else False if name == "Callback" else None
    seen |= {(module, name, before)}
    modules = {}
    found: ast.ClassDef | ast.alias | None = None
    for node in top_level_statements(parse_module(file).body):
        if node.lineno >= before:
            break
        if isinstance(node, ast.ClassDef) and node.name == name:
            found = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            source = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                modules[alias.asname or alias.name] = f"{source}.{alias.name}".strip(".")
                if isinstance(node, ast.ImportFrom) and (alias.asname or alias.name) == name:
                    found = alias
    if isinstance(found, ast.alias):
        source, _, imported = modules[name].rpartition(".")
        return _look_up(source, imported, folder, methods, math.inf, seen)
    if found is None:
        return None
    methods |= {part.name for part in found.body if isinstance(part, ast.FunctionDef)}
    kinds = []
    for base in found.bases:
        owner, _, last = ast.unparse(base).rpartition(".")
        if owner:
            kinds.append(_look_up(modules.get(owner, owner), last, folder, methods, math.inf, seen))
        else:
            kinds.append(_look_up(module, last, folder, methods, found.lineno, seen))
    return True if True in kinds else None if None in kinds else False
