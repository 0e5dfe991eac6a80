"""The stage before the first epoch: the architecture's pre-fit logic, kept in the store."""

from __future__ import annotations

from typing import Any

from handler.run import RunInputs, TrainingRun
from tasks.policies import stage


@stage("pre-fit")
def pre_fit(inputs: RunInputs) -> dict[str, Any]:
    """Loads the data, builds the network and computes, or finds in the store, what the architecture prepares.

    Returns:
        Plain JSON: `dataset` (what the data says of itself), `prefit` (the keys of the results that are used),
        `structure` (the shapes of the arrays derived from X, by name) and `found` (digests of what was found).
    """
    return TrainingRun.of(inputs).pre_fit()
