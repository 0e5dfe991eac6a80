"""What `model.compile` leaves out: as the network's own function compiled the network, else a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handler.specification.named import is_reference

if TYPE_CHECKING:
    from handler.spec import TrainingSpec

DEFAULTS: Mapping[str, Any] = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": []}


def leaves_to_network(spec: TrainingSpec) -> bool:
    """Whether the network's own function may decide a part of the compilation: only its network tells."""
    given = spec.model.compile
    left_out = any(getattr(given, name) is None for name in DEFAULTS)
    return left_out and is_reference(spec.model.architecture)


def completed(compiled: Mapping[str, Any]) -> dict[str, Any]:
    """A compilation with the defaults for what it leaves out; for a network that isn't compiled by its function."""
    return {name: DEFAULTS[name] if value is None and name in DEFAULTS else value for name, value in compiled.items()}
