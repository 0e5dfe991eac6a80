"""What a network is to the handler: how it is built, and what has to be done around its training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Architecture:
    """Base of the architectures.

    Attributes:
        nn: the network, a `keras.Model`; None before `build`.
        needs_fit_backup: True where a training may leave X and y rearranged (with an in-place sequencer).
        run_pre, run_post: applied to X before the network sees it, and to what it gives back; None: nothing to do.
        structure: arrays per example that `structure_for` derived from X; {} outside a fit.

    An architecture may have `prefit_logic_callback(cache_map)` and `posfit_logic_callback(cache_map)`: called by
    pre-fit and post-fit with what pre-fit found (`X`, `y`, and `structure` where it is known already).
    """

    nn: Any = None
    needs_fit_backup: bool = False
    run_pre: Callable[[Any], Any] | None = None
    run_post: Callable[[Any], Any] | None = None

    def __init__(self) -> None:
        self.structure: dict[str, np.ndarray] = {}

    def build(self) -> Any:
        """Builds the network if it isn't built yet, and returns it."""
        if self.nn is None:
            self.nn = self.network()
        return self.nn

    def network(self) -> Any:
        """Makes the network, a `keras.Model`; what an architecture of one's own must say."""
        raise NotImplementedError(f"{type(self).__name__} must say how its network is made")

    def is_built(self) -> bool:
        """Whether `nn` is there."""
        return self.nn is not None

    def get_config(self) -> dict[str, Any]:
        """What determines the architecture, as plain JSON; a part of the key of a training on live objects."""
        return {"class": type(self).__name__}

    def structure_for(self, X: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays per example that the network takes beside X (index tables, say); none by default."""
        return {}

    def inputs(self, X: list[np.ndarray], structure: dict[str, np.ndarray]) -> list[np.ndarray]:
        """What the network takes, in order, from rows of X and the same rows of the structure."""
        return X
