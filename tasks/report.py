"""The last stage: the report page of the run, and its artifacts in Prefect."""

from __future__ import annotations

from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.artifacts import final_figures, final_pictures
from tasks.policies import stage


@stage("report")
def report(inputs: RunInputs) -> str:
    """Write `report.html` and create the artifacts.

    Returns:
        The page's path.
    """
    run = TrainingRun.of(inputs)
    path = run.report()
    record = run.store.runs.read(inputs.name)
    final_figures(record)
    final_pictures(record, path)
    return path
