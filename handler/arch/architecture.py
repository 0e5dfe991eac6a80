"""The interface between a network and the handler: construction, inputs, and hooks before and after training."""

from collections.abc import Callable
from typing import Any

import numpy as np


class Architecture:
    """The base class of architectures.

    Attributes:
        nn: the network, a `keras.Model`; None before `build`.
        needs_fit_backup: whether a training with an in-place sequencer must back X and y up.
        run_pre, run_post: functions that `DLModelHandler.predict` applies to X and to the network's output, or None.
        structure: arrays per example that `structure_for` derived from X; {} outside a fit.

    A subclass may define `prefit_logic_callback(cache_map)` and `posfit_logic_callback(cache_map)`. Pre-fit and
    post-fit call them with the cache map (`X`, `y`, and `structure` if the store holds it already). During the fit, the
    sequencer calls `inputs` for each batch. For validation data and predictions, `structure_for` is called before
    `inputs`.

    Example:
        >>> import keras
        >>> class Line(Architecture):
        ...     def network(self):
        ...         return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> Line().build().count_params()
        3
    """

    nn: Any = None
    needs_fit_backup: bool = False
    run_pre: Callable[[Any], Any] | None = None
    run_post: Callable[[Any], Any] | None = None

    def __init__(self) -> None:
        self.structure: dict[str, np.ndarray] = {}

    def build(self) -> Any:
        """Build the network if it is not built yet, and return it."""
        if self.nn is None:
            self.nn = self.network()
        return self.nn

    def network(self) -> Any:
        """Create and return the network, a `keras.Model`. Subclasses must override this method.

        Raises:
            NotImplementedError: the subclass does not override the method.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement network()")

    def is_built(self) -> bool:
        """Return whether the network is built."""
        return self.nn is not None

    def get_config(self) -> dict[str, Any]:
        """Return the configuration that determines the architecture, as plain JSON.

        It is part of the key of a training on live objects.
        """
        return {"class": type(self).__name__}

    def structure_for(self, X: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the arrays per example that the network takes in addition to X, such as index tables; none by default.

        Args:
            X: the inputs, first axis = examples.

        Returns:
            Arrays by name, first axis = examples.
        """
        return {}

    def inputs(self, X: list[np.ndarray], structure: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return the network's inputs, in order, for some examples.

        Args:
            X: rows of the inputs.
            structure: the same rows of the structure.

        Returns:
            Arrays with the same rows. A sequencer may call this method from the thread that prepares batches.
        """
        return X
