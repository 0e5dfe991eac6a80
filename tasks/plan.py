"""The first stage: the plan of the training, also shown as a table in Prefect."""

from __future__ import annotations

from handler.records import Plan
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from tasks.artifacts import plan_table
from tasks.policies import stage


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
