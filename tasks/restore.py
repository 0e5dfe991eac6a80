"""The stage that restores X and y, also after a failure."""

from __future__ import annotations

from typing import Any

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.policies import stage


@stage("restore")
def restore(inputs: RunInputs) -> dict[str, Any] | None:
    """Write the saved X and y back into the same arrays.

    Returns:
        Plain JSON: the `path` of the backup; None if no backup was needed, or if the arrays never were in memory.
    """
    return TrainingRun.of(inputs).restore()
