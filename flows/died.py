"""Which runs died, and what a `train` flow run on Prefect's server has to do with them.

The store says what died: a record that says `running` while no process has the run's lock, or one that a SIGTERM ended,
as machines do before they go. The server says what a person ended, which stays ended, and knows runs that died before
they wrote anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from flows.admission import admit_path
from handler.chain import RecordedChain, furthest
from handler.errors import FrostlineError, StoreError
from handler.record import RunRecord
from handler.store import Store, local_root

TRAIN = FlowFilter(name=FlowFilterName(any_=["train"]))
ON_ITS_WAY = {StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED, StateType.CANCELLING}


@dataclass(frozen=True)
class Dead:
    """A run that died.

    Attributes:
        store: the path of its store.
        run: its name.
        record: what the store has of it; None where it died before it wrote anything.
        flow_run: the last flow run that was at work on it, where the server knows one.
        place: how far its states go, `epoch` or `epoch.step`.
    """

    store: Path
    run: str
    record: RunRecord | None
    flow_run: FlowRun | None
    place: str


def died(client: SyncPrefectClient, store: Path, hours: float, patience: float) -> list[Dead]:
    """The runs that died: those of a store, and those that the server says have crashed, whatever their store.

    Args:
        client: a client of the server.
        store: the store that is looked through.
        hours: how far back the server is asked.
        patience: seconds for which a flow run that the server takes for running may have no lock: it begins, or ends.
    """
    found = {(dead.store, dead.run): dead for dead in _in_store(client, store, patience)}
    for flow_run in _crashed(client, hours):
        where = _store_of(flow_run)
        if where is None or (where, flow_run.name) in found:
            continue
        there, run = Store(where), flow_run.name
        record = _record(there, run)
        began = record is not None and record.started_by == str(flow_run.id)
        if not began and not _may_live(there, run) and _last(client, run, where, None) == flow_run:
            found[where, run] = Dead(where, run, record, flow_run, _place(where, record))
    return list(found.values())


def _in_store(client: SyncPrefectClient, folder: Path, patience: float) -> list[Dead]:
    store, found = Store(folder), []
    for name in store.runs.names():
        record = _record(store, name)
        if record is None or record.is_of_live_objects or _may_live(store, name):
            continue
        killed = record.status == "running"
        if not killed and (record.status, record.stopped_by) != ("interrupted", "SIGTERM"):
            continue
        flow_run = _last(client, name, folder, record.started_by)
        if flow_run is None or _is_over(flow_run, record, patience):
            found.append(Dead(folder, name, record, flow_run, _place(folder, record)))
    return found


def _is_over(flow_run: FlowRun, record: RunRecord, patience: float) -> bool:
    """Whether a flow run came to an end by itself, though not to the training's."""
    state = flow_run.state
    if state is None or state.type in ON_ITS_WAY:
        return False
    if state.type == StateType.RUNNING:
        last = max(datetime.fromisoformat(str(state.timestamp)), datetime.fromisoformat(record.updated))
        return datetime.now(UTC) - last > timedelta(seconds=patience)
    return state.type == StateType.CRASHED


def _last(client: SyncPrefectClient, run: str, store: Path, started_by: str | None) -> FlowRun | None:
    """The last flow run of a run: the latest of its name and store, or else what its record names."""
    named = client.read_flow_runs(
        flow_filter=TRAIN,
        flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[run])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=50,
    )
    for flow_run in named:
        if str(flow_run.id) == started_by or _store_of(flow_run) == store:
            return flow_run
    if started_by is None:
        return None
    try:
        return client.read_flow_run(UUID(started_by))
    except ObjectNotFound:  # of another server: it was typed
        return None


def _crashed(client: SyncPrefectClient, hours: float) -> list[FlowRun]:
    """The flow runs of deployments that the server says have crashed, the latest first."""
    crashed = client.read_flow_runs(
        flow_filter=TRAIN,
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
            start_time=FlowRunFilterStartTime.model_validate({"after_": datetime.now(UTC) - timedelta(hours=hours)}),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=200,
    )
    return [flow_run for flow_run in crashed if flow_run.deployment_id is not None]


def _store_of(flow_run: FlowRun) -> Path | None:
    """The store of a flow run; None for one that can't be used here, or may not."""
    store = str(flow_run.parameters.get("store") or ".frostline")
    try:
        admit_path("store", store)
        return local_root(store)
    except FrostlineError:
        return None


def _may_live(store: Store, run: str) -> bool:
    """Whether a process is at work on a run, or that can't be told."""
    try:
        return store.runs.is_alive(run)
    except FrostlineError:
        return True


def _record(store: Store, run: str) -> RunRecord | None:
    try:
        return store.runs.read(run)
    except FrostlineError:  # there is none, or none that can be read
        return None


def _place(store: Path, record: RunRecord | None) -> str:
    try:
        position = None if record is None else furthest(RecordedChain(tuple(record.chain)), Store(store).states)
    except StoreError:  # a state can't be read at the moment; that of one run must not keep the others
        position = None
    if position is None:
        return "0"
    return f"{position.epoch}.{position.step}" if position.step else str(position.epoch)
