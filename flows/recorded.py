"""What Prefect's server must know before a process lets go of it.

Task runs reach the server as events, which are still on their way when the flow returns; an embedded server that ends
with its last run would lose them.
"""

from __future__ import annotations

import sys
import time
from typing import Any
from uuid import UUID

_flow_run: UUID | None = None
_task_runs = 0


def flow_run_began(flow_run_id: str | UUID) -> None:
    """Remembers which flow run this process is in."""
    global _flow_run, _task_runs
    _flow_run, _task_runs = UUID(str(flow_run_id)), 0


def flow_run_ends() -> None:
    """Remembers, inside the flow, how many task runs there were."""
    from prefect.context import FlowRunContext

    global _task_runs
    context = FlowRunContext.get()
    keys: dict[str, Any] = context.task_run_dynamic_keys if context is not None else {}
    _task_runs = sum(last + 1 for last in keys.values() if isinstance(last, int))


def wait_until_recorded(seconds: float) -> bool:
    """Sends what is queued and waits until the server has every task run of the last flow run in a final state.

    Args:
        seconds: how long at most; a server that has gone away must not keep the process.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.events.worker import EventsWorker
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    if _flow_run is None:
        return True
    end = time.monotonic() + seconds
    ours = FlowRunFilter(id=FlowRunFilterId(any_=[_flow_run]))
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), get_client(sync_client=True) as client:
            client.hello()
            EventsWorker.drain_all(timeout=seconds, at_exit=False)  # all queues, the log's too
            while True:
                found = client.read_task_runs(flow_run_filter=ours, limit=200)
                final = sum(run.state is not None and run.state.is_final() for run in found)
                if final >= min(_task_runs, 200):
                    return True
                if time.monotonic() > end:
                    return False
                time.sleep(0.05)
    except Exception:  # whatever a server that has gone away makes of it
        return False


def tell_interrupted(why: str) -> None:
    """Ends the flow run on the server as interrupted, from outside of it; does nothing where there is none."""
    if _flow_run is None or "prefect" not in sys.modules:
        return
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import State, StateType

    state: State[Any] = State(type=StateType.CANCELLED, name="Interrupted", message=why)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(_flow_run, state, force=True)
