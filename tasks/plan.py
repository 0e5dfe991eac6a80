"""The first stage: what will be trained, as a table in Prefect too."""

from __future__ import annotations

from handler.record import Plan
from handler.run import RunInputs, TrainingRun
from tasks.artifacts import plan_table
from tasks.policies import stage


@stage("plan")
def plan(inputs: RunInputs) -> Plan:
    """Works out the segments and which of them are in the store.

    Args:
        inputs: the training.

    Raises:
        SpecError: the specification, its data or its network can't be used.
    """
    made = TrainingRun.of(inputs).plan()
    plan_table(made)
    return made
