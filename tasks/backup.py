"""The stage that copies X and y to the store before a training that rearranges them in place."""

from __future__ import annotations

from typing import Any

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.policies import stage


@stage("backup")
def backup(inputs: RunInputs) -> dict[str, Any] | None:
    """Write X and y to the store, chunk by chunk.

    Returns:
        Plain JSON: `digest` and `path`; None if no backup is needed.
    """
    return TrainingRun.of(inputs).backup()
