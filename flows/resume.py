"""The flow `resume`: finds the runs that died, here or elsewhere, and starts each again, once.

    prefect deployment run resume/resume --param store=/data/store

A run that is at work is never touched, nor one that a person ended, nor one that failed: what failed would again. What
is started goes on from the store, so nothing is trained twice. Its flow run is tagged with what it goes on with
(`resume-of:...`), from where (`from:...`) and how many have been started from there (`attempt:...`).
"""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from pydantic import Field

from flows.admission import admit_path
from flows.answers import RelaunchAnswer, Relaunched
from flows.died import Dead, died
from handler.errors import FrostlineError
from handler.specification.user_frames import sentence_of
from handler.store import local_root
from handler.store.mirror import place_of
from tasks.artifacts import log, run_event


@flow(name="resume")
def resume(
    store: Annotated[str, Field(description="The store that is looked through for runs that died.")] = ".frostline",
    hours: Annotated[
        float, Field(gt=0, le=87600, description="How far back Prefect's server is asked for crashed runs.")
    ] = 48.0,
    attempts: Annotated[
        int, Field(ge=1, description="How often a run is started again without getting any further.")
    ] = 3,
    patience: Annotated[
        float, Field(ge=0, le=86400, description="Seconds that a flow run may be without its lock, to begin or to end.")
    ] = 180.0,
    deployment: Annotated[str, Field(description="What starts runs that no deployment started.")] = "train/train",
) -> RelaunchAnswer:
    """Starts the runs that died again.

    Args:
        store: the store's directory, looked through for runs that died. Runs of other stores are found where Prefect's
            server says that they crashed.
        hours: how far back the server is asked.
        attempts: how often a run is started again from the same place.
        patience: seconds that a flow run which the server takes for running may be without its run's lock.
        deployment: what starts a run that was started by hand.

    Returns:
        What was started, and what was left because it gets no further.

    Raises:
        FrostlineError: the server refuses to start one of them; the others were started all the same.
    """
    admit_path("store", store)
    answer, faults = RelaunchAnswer(started=[], left=[]), list[str]()
    with get_client(sync_client=True) as client:
        for dead in died(client, local_root(store), hours, patience):
            attempt = _attempts(dead) + 1
            if attempt > attempts:
                log(f"{dead.run} was started {attempts} times at epoch {dead.place} and died each time: it is left")
                answer.left.append(dead.run)
                continue
            try:
                if dead.flow_run is not None and dead.flow_run.state is not None and dead.flow_run.state.is_running():
                    gone: State[Any] = State(type=StateType.CRASHED, message="No process has the run's lock.")
                    client.set_flow_run_state(dead.flow_run.id, gone, force=True)
                began = start_again(dead, attempt, deployment)
            except Exception as error:  # of one run; the others are started all the same
                faults.append(f"the server doesn't start {dead.run} again ({sentence_of(error)})")
                log(faults[-1])
                continue
            log(f"{dead.run} died at epoch {dead.place}: started again as flow run {began.id}")
            run_event(dead.run, "run.resumed", {"from": dead.place, "attempt": attempt, "flow_run": str(began.id)})
            where = place_of(dead.store)
            answer.started.append(Relaunched(run=dead.run, store=where, place=dead.place, attempt=attempt))
    if faults:
        others = f"{len(answer.started)} others were started"
        raise FrostlineError(f"{'; '.join(faults)}; see that their deployments are there as they were; {others}")
    return answer


def start_again(dead: Dead, attempt: int, deployment: str) -> FlowRun:
    """Starts a run again, by the deployment that started it, or else by the one given.

    Asked twice to start the same one, the server starts it once.
    """
    of = str(dead.flow_run.id) if dead.flow_run is not None else f"{dead.run} {getattr(dead.record, 'updated', '')}"
    target: Any = deployment
    # As it was started, where the run has no deployment that could start it as it did.
    parameters: dict[str, Any] = {"name": dead.run, "store": place_of(dead.store), "go_on": True}
    if dead.flow_run is not None and dead.flow_run.deployment_id is not None:
        target = dead.flow_run.deployment_id
        parameters = dead.flow_run.parameters | {"name": dead.run, "new_run": False}
    began = run_deployment(
        target,
        parameters=parameters,
        flow_run_name=dead.run,  # it has its own name only once it has begun
        timeout=0,
        as_subflow=False,
        idempotency_key=f"resume {of}",
        tags=["frostline", f"resume-of:{of}", f"from:{dead.place}", f"attempt:{attempt}"],
    )
    assert isinstance(began, FlowRun)  # not awaited: this is no coroutine
    return began


def _attempts(dead: Dead) -> int:
    """How many have been started already from where the run is."""
    tags = dict(tag.split(":", 1) for tag in (dead.flow_run.tags if dead.flow_run is not None else []) if ":" in tag)
    return int(tags["attempt"]) if tags.get("from") == dead.place and tags.get("attempt", "").isdigit() else 0
