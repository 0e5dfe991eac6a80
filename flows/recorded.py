"""What Prefect's server must know before a process lets go of it, and what becomes of it when the server goes away.

A training doesn't need the server: task runs and epochs reach it as events, which are queued and sent again when it is
back. The ends need it: a flow run's last state, the artifacts. So a server that has gone away is waited for at the end,
and an embedded one isn't let go before it has what is on its way.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from handler.interrupt import stop
from handler.specification.secrets import masked

RETURN_SECONDS = 150.0  # an outage of a minute or two, and the server's start
ANSWER_SECONDS = 5.0

_flow_run: UUID | None = None
_task_runs = 0
may_return: Callable[[], bool] = lambda: True  # noqa: E731 (told by who knows: an embedded server may be gone for good)


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


@contextmanager
def tasks_untagged() -> Iterator[None]:
    """Keeps the tags of a flow run from its task runs: the server is asked about each tag before such a task begins."""
    from prefect.context import TagsContext

    with TagsContext(current_tags=set()):
        yield


def unanswered() -> Exception | None:
    """Why Prefect's server doesn't answer, in seconds; None where it does."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    from tasks.asking import asking

    try:
        with asking(0), get_client(sync_client=True, httpx_settings={"timeout": ANSWER_SECONDS}) as client:
            client.hello()
    except PrefectHTTPStatusError as error:
        return error if error.response.status_code in (401, 403) else None
    except Exception as error:  # whatever the way to a server can do
        return error
    return None


def wait_for_return(waiting: Callable[[], None], seconds: float = RETURN_SECONDS) -> bool:
    """Waits for a server that has gone away, until it is back, or was given up, or this process is asked to stop.

    Args:
        waiting: told once, where it has to be waited for.
        seconds: how long at most.

    Returns:
        Whether it answers.
    """
    end, told = time.monotonic() + seconds, False
    while unanswered() is not None:
        if stop.requested or time.monotonic() > end or not may_return():
            return False
        if not told:
            told = True
            waiting()
        time.sleep(0.5)
    return True


def give_server_up() -> None:
    """Makes this process ask a server once, and not for a minute: it was waited for, and isn't there."""
    from prefect.settings import get_current_settings

    get_current_settings().client.max_retries = 0


def wait_until_recorded(seconds: float) -> bool:
    """Sends what is queued and waits until the server has every task run of the last flow run in a final state.

    Args:
        seconds: how long at most; a server that has gone away must not keep the process.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    from tasks.asking import asking

    if _flow_run is None:
        return True
    end = time.monotonic() + seconds
    ours = FlowRunFilter(id=FlowRunFilterId(any_=[_flow_run]))
    if unanswered() is not None or not send_queued(seconds):
        return False
    with asking(0), get_client(sync_client=True) as client:
        while True:
            try:
                found = client.read_task_runs(flow_run_filter=ours, limit=200)
            except Exception:  # whatever a server makes of it, one that is busy too
                if unanswered() is not None:
                    return False
                found = []
            final = sum(run.state is not None and run.state.is_final() for run in found)
            if final >= min(_task_runs, 200):
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.05)


def send_queued(seconds: float) -> bool:
    """Sends the events and log lines that are queued for the server, while there is one.

    What is left in a queue is sent at the interpreter's end, and a server that has gone is tried for a minute then.

    Args:
        seconds: how long at most.

    Returns:
        Whether the queues are empty.
    """
    if "prefect.events.worker" not in sys.modules:
        return True
    from prefect.events.worker import EventsWorker

    drained: Any = EventsWorker.drain_all(timeout=seconds, at_exit=False)  # of all services, the log's too
    return not drained.not_done


def tell_ended(why: str, *, crashed: bool = False) -> None:
    """Ends the flow run on the server from outside of it, and its task runs; does nothing where there is none.

    Args:
        why: the state's message.
        crashed: it ends as crashed, unless it is being cancelled, which whoever cancels it sees through. Otherwise as
            interrupted.
    """
    if _flow_run is None or "prefect" not in sys.modules:
        return
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.objects import State, StateType

    why = masked(why)
    gone: State[Any] = State(type=StateType.CRASHED, name="Crashed", message=why)
    interrupted: State[Any] = State(type=StateType.CANCELLED, name="Interrupted", message=why)
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(_flow_run).state
        if not (crashed and state is not None and state.is_cancelling()):
            client.set_flow_run_state(_flow_run, gone if crashed else interrupted, force=True)
        for task in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[_flow_run]))):
            if task.state is not None and task.state.is_running():
                client.set_task_run_state(task.id, gone, force=True)
