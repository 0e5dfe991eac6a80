"""The last stage: the page about the run, and its figures in Prefect."""

from __future__ import annotations

from handler.run import RunInputs, TrainingRun
from tasks.artifacts import final_figures
from tasks.policies import stage


@stage("report")
def report(inputs: RunInputs) -> str:
    """Writes `report.html`.

    Returns:
        The page's path.
    """
    run = TrainingRun.of(inputs)
    path = run.report()
    final_figures(run.store.runs.read(inputs.name))
    return path
