"""The stages of a training, except its segments: each a Prefect task that calls the run."""

from typing import Any

from handler.records import Plan
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.prefect_artifacts import final_figures, final_pictures, plan_table
from tasks.stage_policy import stage


@stage("plan")
def plan(inputs: RunInputs) -> Plan:
    """Return the plan: the segments, and which of them are in the store.

    Args:
        inputs: the training.

    Raises:
        SpecError: the specification, its data or its network is unusable.
    """
    made = TrainingRun.of(inputs).plan()
    plan_table(made)
    return made


@stage("pre-fit")
def pre_fit(inputs: RunInputs) -> dict[str, Any]:
    """Load the data, build the network, and compute the architecture's pre-fit results or read them from the store.

    Returns:
        Plain JSON: `dataset` (a description of the data), `prefit` (the keys of the results), `structure` (the shapes
        of the arrays derived from X, by name) and `found` (digests of the data and of the initial variables).
    """
    return TrainingRun.of(inputs).pre_fit()


@stage("backup")
def backup(inputs: RunInputs) -> dict[str, Any] | None:
    """Write X and y to the store, chunk by chunk; return their `digest` and `path`, None if no backup is needed."""
    return TrainingRun.of(inputs).backup()


@stage("restore")
def restore(inputs: RunInputs) -> dict[str, Any] | None:
    """Write the saved X and y back into the same arrays.

    Returns:
        Plain JSON: the `path` of the backup; None if no backup was needed, or if the arrays never were in memory.
    """
    return TrainingRun.of(inputs).restore()


@stage("post-fit")
def post_fit(inputs: RunInputs) -> dict[str, Any]:
    """Save the final model and compute its metrics.

    Returns:
        Plain JSON: `weights`, `model`, `state`, `epochs`, `stopped`, `history`, `validation`, `final_is_state`.
    """
    return TrainingRun.of(inputs).post_fit()


@stage("report")
def report(inputs: RunInputs) -> str:
    """Write `report.html` and create the artifacts; return the page's path."""
    run = TrainingRun.of(inputs)
    path = run.report()
    record = run.store.runs.read(inputs.name)
    final_figures(record)
    final_pictures(record, path)
    return path
