"""The stage after the last epoch: the final model, and the architecture's post-fit logic."""

from __future__ import annotations

from typing import Any

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.policies import stage


@stage("post-fit")
def post_fit(inputs: RunInputs) -> dict[str, Any]:
    """Save the final model and compute its metrics.

    Returns:
        Plain JSON: `weights`, `model`, `state`, `epochs`, `stopped`, `history`, `validation`, `final_is_state`.
    """
    return TrainingRun.of(inputs).post_fit()
