"""Fields that `model.compile` leaves out: as the network's own function compiled the network, else defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handler.user_code.modules import is_reference

if TYPE_CHECKING:
    from handler.spec.training_spec import TrainingSpec

DEFAULTS: Mapping[str, Any] = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": []}


# See docs/decisions/0056-compilation-of-the-network.md.
def may_be_compiled_by_network(spec: TrainingSpec) -> bool:
    """Return whether the network's own function may decide a part of the compilation, known only from the network."""
    given = spec.model.compile
    left_out = any(getattr(given, name) is None for name in DEFAULTS)
    return left_out and is_reference(spec.model.architecture)


def fill_defaults(compiled: Mapping[str, Any]) -> dict[str, Any]:
    """Fill the fields that a compilation leaves out with defaults, for a network that its function does not compile."""
    return {name: DEFAULTS[name] if value is None and name in DEFAULTS else value for name, value in compiled.items()}
