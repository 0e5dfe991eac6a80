"""The stage before the first epoch: the architecture's pre-fit logic, whose results are stored."""

from __future__ import annotations

from typing import Any

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.policies import stage


@stage("pre-fit")
def pre_fit(inputs: RunInputs) -> dict[str, Any]:
    """Load the data, build the network, and compute the architecture's pre-fit results or read them from the store.

    Returns:
        Plain JSON: `dataset` (a description of the data), `prefit` (the keys of the results), `structure` (the shapes
        of the arrays derived from X, by name) and `found` (digests of the data and of the initial variables).
    """
    return TrainingRun.of(inputs).pre_fit()
