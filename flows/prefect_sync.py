"""Synchronisation with Prefect's server at the end of a flow run, and the handling of an unreachable server.

A training does not need the server: Prefect queues task runs and epochs as events, and sends them once the server is
back. Only the end needs it, for the flow run's final state and the artifacts. The process therefore waits for an
unreachable server at the end, and releases an embedded server only after it has received the queued events.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flows.prefect_server.embedded import ServerError
from handler.errors.secrets import masked
from handler.stop_flag import stop

RETURN_SECONDS = 150.0  # an outage of a minute or two, and the server's start
ANSWER_SECONDS = 5.0


class ProcessFlowRun:
    """The flow run of this process, and the server that records it.

    Attributes:
        id: the flow run's id; None before the first one.
        task_runs: the number of its task runs, known at its end.
        server_may_return: whether an unreachable server can become reachable again; an embedded one may have ended.
    """

    def __init__(self) -> None:
        self.id: UUID | None = None
        self.task_runs = 0
        self.server_may_return: Callable[[], bool] = lambda: True


process_flow_run = ProcessFlowRun()


# See docs/decisions/0029-tags-on-flow-runs-only.md.
@contextmanager
def recorded_flow_run(flow_run_id: str) -> Iterator[None]:
    """Store the id of this process's flow run, and at its end the number of its task runs.

    The flow run's tags stay off its task runs, because Prefect queries the server for each tag before a tagged task
    begins.
    """
    from prefect.context import FlowRunContext, TagsContext

    process_flow_run.id, process_flow_run.task_runs = UUID(flow_run_id), 0
    try:
        with TagsContext(current_tags=set()):
            yield
    finally:
        context = FlowRunContext.get()
        keys: dict[str, Any] = context.task_run_dynamic_keys if context is not None else {}
        process_flow_run.task_runs = sum(last + 1 for last in keys.values() if isinstance(last, int))


def server_error() -> Exception | None:
    """Return the error with which Prefect's server fails to answer within `ANSWER_SECONDS`; None if it answers."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    from tasks.client_retries import client_retries

    try:
        with client_retries(0), get_client(sync_client=True, httpx_settings={"timeout": ANSWER_SECONDS}) as client:
            client.hello()
    except PrefectHTTPStatusError as error:
        return error if error.response.status_code in (401, 403) else None
    except Exception as error:  # any network error
        return error
    return None


def require_server(url: str, remedy: str) -> None:
    """Raise `ServerError` if Prefect's server at `url` does not answer; the error ends with the remedy."""
    if (error := server_error()) is not None:
        fault = f"{type(error).__name__}: {error}"
        raise ServerError(f"the Prefect server at {url} doesn't answer or rejects requests ({fault}); {remedy}")


# See docs/decisions/0025-one-wait-for-an-unreachable-server.md.
def wait_for_return(waiting: Callable[[], None]) -> bool:
    """Wait for an unreachable server until it answers, is known to be gone, or this process is asked to stop.

    Args:
        waiting: called once, if the server does not answer at once.

    Returns:
        Whether the server answers.
    """
    end, notified = time.monotonic() + RETURN_SECONDS, False
    while server_error() is not None:
        if stop.requested or time.monotonic() > end or not process_flow_run.server_may_return():
            return False
        if not notified:
            notified = True
            waiting()
        time.sleep(0.5)
    return True


def wait_until_recorded(seconds: float) -> bool:
    """Send the queued events and wait until the server has every task run of the last flow run in a final state.

    Args:
        seconds: the timeout, so that an unreachable server cannot block the process.

    Returns:
        Whether the server has them all.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    from tasks.client_retries import client_retries

    if process_flow_run.id is None:
        return True
    end = time.monotonic() + seconds
    ours = FlowRunFilter(id=FlowRunFilterId(any_=[process_flow_run.id]))
    if server_error() is not None or not send_queued(seconds):
        return False
    with client_retries(0), get_client(sync_client=True) as client:
        while True:
            try:
                task_runs = client.read_task_runs(flow_run_filter=ours, limit=200)
            except Exception:  # any error of the server, also of one that is busy
                if server_error() is not None:
                    return False
                task_runs = []
            final = sum(run.state is not None and run.state.is_final() for run in task_runs)
            if final >= min(process_flow_run.task_runs, 200):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.05)


def send_queued(seconds: float) -> bool:
    """Send the queued events and log lines to a reachable server, and return whether the queues are empty.

    Prefect would send the rest at the interpreter's end, and retry an unreachable server for a minute.

    Args:
        seconds: the timeout.
    """
    if "prefect.events.worker" not in sys.modules:
        return True
    from prefect.events.worker import EventsWorker

    drained: Any = EventsWorker.drain_all(timeout=seconds, at_exit=False)  # of all services, also of the log
    return not drained.not_done


def set_final_state(why: str, *, crashed: bool = False) -> None:
    """Set the final state of the flow run and its task runs on the server, from outside of the flow.

    Does nothing if there is no flow run.

    Args:
        why: the state's message.
        crashed: set the state to crashed, unless the flow run is being cancelled, in which case the canceller sets its
            state. False sets it to interrupted.
    """
    flow_run = process_flow_run.id
    if flow_run is None or "prefect" not in sys.modules:
        return
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.objects import State, StateType

    why = masked(why)
    crashed_state: State[Any] = State(type=StateType.CRASHED, name="Crashed", message=why)
    interrupted_state: State[Any] = State(type=StateType.CANCELLED, name="Interrupted", message=why)
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(flow_run).state
        if not (crashed and state is not None and state.is_cancelling()):
            client.set_flow_run_state(flow_run, crashed_state if crashed else interrupted_state, force=True)
        for task in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run]))):
            if task.state is not None and task.state.is_running():
                client.set_task_run_state(task.id, crashed_state, force=True)
