"""The automation that tells Prefect which flow runs are dead: one whose heartbeats have stopped is marked as crashed.

A server that only hears of ends takes a flow run whose machine was switched off for running for ever.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

NAME = "frostline: flow runs without a heartbeat have crashed"
FLOWS = ["train", "sweep"]  # those whose processes beat often enough, see prefect.yaml
_EVENT = "prefect.flow-run."
_HEARS = ("heartbeat", "Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended")


def declare(seconds: float) -> tuple[UUID, bool]:
    """Declares the automation, or brings the one that is there up to date.

    Args:
        seconds: a flow run that wasn't heard of for so long is dead. Three heartbeats at least: a live one that is
            marked as crashed trains on, but is shown wrongly.

    Returns:
        Its id, and whether it is new.
    """
    automation = AutomationCore(
        name=NAME,
        description="Declared by `frostline deploy`. The flow `resume` starts what is marked again.",
        trigger=EventTrigger(
            after={_EVENT + "heartbeat"},
            expect={_EVENT + what for what in _HEARS},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": ["flow"], "prefect.resource.name": FLOWS}  # of nobody else's flows
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message="No heartbeat: the process is gone.", force=False
            )
        ],
    )
    with get_client(sync_client=True) as client:
        there = client.read_automations_by_name(NAME)
        if not there:
            return client.create_automation(automation), True
        client.update_automation(there[0].id, automation)
        return there[0].id, False
