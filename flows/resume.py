"""The flow `resume`: finds dead runs, of this machine or another, and starts each of them again once.

    prefect deployment run resume/resume --param store=/data/store

The flow skips runs that are active, runs that a person ended, and failed runs, which would fail again. A started run
resumes from the store, so that no epoch is trained twice. The tags of its flow run name the run that it resumes
(`resume-of:...`), the progress (`from:...`) and the number of starts from there (`attempt:...`).
"""

from typing import Annotated, Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from pydantic import Field

from flows.access_rules import admit_path
from flows.answers import RelaunchAnswer, Relaunched
from flows.dead_runs import DeadRun, find_dead_runs
from handler.errors import FrostlineError
from handler.store.remote_dirs import local_root, url_or_path
from handler.user_code.tracebacks import describe_error
from tasks.prefect_artifacts import log, run_event


@flow(name="resume")
def resume(
    store: Annotated[str, Field(description="The store to search for dead runs.")] = ".frostline",
    hours: Annotated[
        float, Field(gt=0, le=87600, description="How many hours back to search Prefect's server for crashed runs.")
    ] = 48.0,
    attempts: Annotated[
        int, Field(ge=1, description="The maximum number of starts of a run that makes no progress.")
    ] = 3,
    patience: Annotated[
        float, Field(ge=0, le=86400, description="Seconds that a starting or ending flow run may lack its run's lock.")
    ] = 180.0,
    deployment: Annotated[str, Field(description="The deployment of runs that none started.")] = "train/train",
) -> RelaunchAnswer:
    """Start the dead runs again.

    Args:
        store: the store to search for dead runs. For other stores, the flow finds the runs whose flow runs Prefect's
            server shows as crashed.
        hours: how far back to query the server, in hours.
        attempts: the maximum number of starts of a run from the same place.
        patience: seconds for which a flow run that the server shows as running may lack its run's lock.
        deployment: the deployment that starts runs which no deployment started.

    Returns:
        The started runs, and those skipped because they made no progress.

    Raises:
        FrostlineError: the server refused to start at least one of them; the flow has started the others.
    """
    admit_path("store", store)
    answer, faults = RelaunchAnswer(started=[], left=[]), list[str]()
    with get_client(sync_client=True) as client:
        for dead in find_dead_runs(client, local_root(store), hours, patience):
            attempt = _attempts(dead) + 1
            if attempt > attempts:
                log(f"{dead.run} was started {attempts} times at epoch {dead.progress} and died each time; skipped")
                answer.left.append(dead.run)
                continue
            try:
                if dead.flow_run is not None and dead.flow_run.state is not None and dead.flow_run.state.is_running():
                    crashed: State[Any] = State(type=StateType.CRASHED, message="No process holds the run's lock.")
                    client.set_flow_run_state(dead.flow_run.id, crashed, force=True)
                began = start_again(dead, attempt, deployment)
            except Exception as error:  # of one run; the others start nevertheless
                faults.append(f"the server didn't start {dead.run} again ({describe_error(error)})")
                log(faults[-1])
                continue
            log(f"{dead.run} died at epoch {dead.progress}: started again as flow run {began.id}")
            run_event(dead.run, "run.resumed", {"from": dead.progress, "attempt": attempt, "flow_run": str(began.id)})
            where = url_or_path(dead.store)
            answer.started.append(Relaunched(run=dead.run, store=where, place=dead.progress, attempt=attempt))
    if faults:
        others = f"{len(answer.started)} others were started"
        raise FrostlineError(f"{'; '.join(faults)}; check that their deployments exist unchanged; {others}")
    return answer


def start_again(dead: DeadRun, attempt: int, deployment: str) -> FlowRun:
    """Start a dead run by the deployment that started it, else by the given one; return the new flow run.

    The idempotency key makes the server start it once, even if it is requested twice.

    Args:
        dead: the dead run.
        attempt: the number of this start from the run's current progress, from 1.
        deployment: the deployment for runs that no deployment started.
    """
    updated = getattr(dead.record, "updated", "")
    original = str(dead.flow_run.id) if dead.flow_run is not None else f"{dead.run} {updated}"
    target: Any = deployment
    # Without a deployment that can repeat the original start, the run resumes from its record.
    parameters: dict[str, Any] = {"name": dead.run, "store": url_or_path(dead.store), "go_on": True}
    if dead.flow_run is not None and dead.flow_run.deployment_id is not None:
        target = dead.flow_run.deployment_id
        parameters = dead.flow_run.parameters | {"name": dead.run, "new_run": False}
    began = run_deployment(
        target,
        parameters=parameters,
        flow_run_name=dead.run,  # a flow run gets its own name only when it begins
        timeout=0,
        as_subflow=False,
        idempotency_key=f"resume {original}",
        tags=["frostline", f"resume-of:{original}", f"from:{dead.progress}", f"attempt:{attempt}"],
    )
    assert isinstance(began, FlowRun)  # a synchronous call returns no coroutine
    return began


def _attempts(dead: DeadRun) -> int:
    """Return how many flow runs were started from the run's current progress."""
    tags = dict(tag.split(":", 1) for tag in (dead.flow_run.tags if dead.flow_run is not None else []) if ":" in tag)
    return int(tags["attempt"]) if tags.get("from") == dead.progress and tags.get("attempt", "").isdigit() else 0
