"""The state of a training: everything that the next step depends on, as named arrays and plain JSON."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class TrainingState:
    """The state of a training between two steps.

    Attributes:
        epoch: epochs completed.
        step: steps completed in the epoch that follows; 0 between epochs.
        arrays: name -> array of any dtype. `model/...`: weights, moving statistics, seed generators. `devices/...`:
            the values of the other replicas where they differ from the first. `tables/...`: lookup tables, as JSON.
            `optimizer/...`, `random/global`. `callbacks/...`: arrays that a callback keeps. Within an epoch also
            `metrics/...` and `logs/...`.
        callbacks: the callbacks' own state, by class name and position among those of that class; plain JSON.
        history: metric name -> one value per completed epoch, None in epochs without one.
        stopped: whether a callback ended the training here.

    Example:
        >>> import numpy as np
        >>> TrainingState(epoch=2, arrays={"model/bias": np.zeros(3)}).step
        0
    """

    epoch: int = 0
    step: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float | None]] = field(default_factory=dict)
    stopped: bool = False
