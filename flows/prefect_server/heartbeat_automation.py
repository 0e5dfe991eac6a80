"""The Prefect automation that marks a flow run as crashed once its heartbeats have stopped.

Without it, the server never learns that a machine was switched off, and shows its flow runs as running forever.
"""

from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

NAME = "frostline: flow runs without a heartbeat have crashed"
FLOWS = ["train", "sweep"]  # the flows whose heartbeats are frequent enough, see prefect.yaml
_EVENT = "prefect.flow-run."
_LIFE_SIGNS = ("heartbeat", "Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended")


def declare(seconds: float) -> tuple[UUID, bool]:
    """Create the automation, or update the existing one; return its id, and whether it is new.

    Args:
        seconds: the time without a heartbeat after which a flow run counts as dead. It should span at least three
            heartbeats: a live flow run that is marked as crashed continues to train, but the server shows the wrong
            state.
    """
    automation = AutomationCore(
        name=NAME,
        description="Declared by `frostline deploy`. The flow `resume` restarts the marked runs.",
        trigger=EventTrigger(
            after={_EVENT + "heartbeat"},
            expect={_EVENT + what for what in _LIFE_SIGNS},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": ["flow"], "prefect.resource.name": FLOWS}  # only our own flows
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message="No heartbeat: the process has ended.", force=False
            )
        ],
    )
    with get_client(sync_client=True) as client:
        existing = client.read_automations_by_name(NAME)
        if not existing:
            return client.create_automation(automation), True
        client.update_automation(existing[0].id, automation)
        return existing[0].id, False
