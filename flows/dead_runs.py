"""Detection of dead runs, and the link between a run and its `train` flow runs on Prefect's server.

A run in the store is dead if its record says `running` while no process holds the run's lock, or if a SIGTERM
interrupted it, as a machine that shuts down does. The server knows which flow runs a person ended (those are not dead),
and which ones crashed before they wrote anything to the store.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from flows.access_rules import admit_path
from handler.errors import FrostlineError, StoreError
from handler.records import RunRecord
from handler.state.chain import latest_intact
from handler.store.remote_dirs import local_root
from handler.store.store import Store

TRAIN = FlowFilter.model_validate({"name": {"any_": ["train"]}})
PENDING_TYPES = {StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED, StateType.CANCELLING}


@dataclass(frozen=True)
class DeadRun:
    """A dead run.

    Attributes:
        store: the path of its store.
        run: its name.
        record: its record in the store; None if it died before it wrote one.
        flow_run: the last flow run that ran it, if the server knows one.
        progress: the progress of its states, `epoch` or `epoch.step`.
    """

    store: Path
    run: str
    record: RunRecord | None
    flow_run: FlowRun | None
    progress: str


# See docs/decisions/0032-the-store-determines-dead-runs.md.
def find_dead_runs(
    client: SyncPrefectClient, store: Path, lookback_hours: float, grace_seconds: float
) -> list[DeadRun]:
    """Return the dead runs of a store, and those that the server reports as crashed, whatever their store.

    Args:
        client: a client of the server.
        store: the store to search.
        lookback_hours: how far back to query the server, in hours.
        grace_seconds: seconds for which a flow run that the server shows as running may lack its lock, because it is
            starting or ending.
    """
    dead_runs = {(dead.store, dead.run): dead for dead in _dead_in_store(client, store, grace_seconds)}
    for flow_run in _crashed_flow_runs(client, lookback_hours):
        where = _find_store(flow_run)
        if where is None or (where, flow_run.name) in dead_runs:
            continue
        dead_store, run = Store(where), flow_run.name
        record = _read_record(dead_store, run)
        began = record is not None and record.started_by == str(flow_run.id)
        if not began and not _may_be_alive(dead_store, run) and _last_flow_run(client, run, where, None) == flow_run:
            dead_runs[where, run] = DeadRun(where, run, record, flow_run, _progress(where, record))
    return list(dead_runs.values())


def _dead_in_store(client: SyncPrefectClient, folder: Path, grace_seconds: float) -> list[DeadRun]:
    store, dead_runs = Store(folder), []
    for name in store.runs.names():
        record = _read_record(store, name)
        if record is None or record.is_of_live_objects or _may_be_alive(store, name):
            continue
        killed = record.status == "running"
        if not killed and (record.status, record.stopped_by) != ("interrupted", "SIGTERM"):
            continue
        flow_run = _last_flow_run(client, name, folder, record.started_by)
        if flow_run is None or _has_died(flow_run, record, grace_seconds):
            dead_runs.append(DeadRun(folder, name, record, flow_run, _progress(folder, record)))
    return dead_runs


def _has_died(flow_run: FlowRun, record: RunRecord, grace_seconds: float) -> bool:
    """Return whether a flow run ended without a person's request and before its training was complete."""
    state = flow_run.state
    if state is None or state.type in PENDING_TYPES:
        return False
    if state.type == StateType.RUNNING:
        last = max(datetime.fromisoformat(str(state.timestamp)), datetime.fromisoformat(record.updated))
        return datetime.now(UTC) - last > timedelta(seconds=grace_seconds)
    return state.type == StateType.CRASHED


def _last_flow_run(client: SyncPrefectClient, run: str, store: Path, started_by: str | None) -> FlowRun | None:
    """Return the last flow run of a run: the latest with its name and store, else the one that its record names."""
    candidates = client.read_flow_runs(
        flow_filter=TRAIN,
        flow_run_filter=FlowRunFilter.model_validate({"name": {"any_": [run]}}),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=50,
    )
    for flow_run in candidates:
        if str(flow_run.id) == started_by or _find_store(flow_run) == store:
            return flow_run
    if started_by is None:
        return None
    try:
        return client.read_flow_run(UUID(started_by))
    except ObjectNotFound:  # of another server: a user started the run on the command line
        return None


def _crashed_flow_runs(client: SyncPrefectClient, lookback_hours: float) -> list[FlowRun]:
    """Return the crashed flow runs of deployments, the latest first."""
    since = datetime.now(UTC) - timedelta(hours=lookback_hours)
    crashed = client.read_flow_runs(
        flow_filter=TRAIN,
        flow_run_filter=FlowRunFilter.model_validate(
            {"state": {"type": {"any_": [StateType.CRASHED]}}, "start_time": {"after_": since}}
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=200,
    )
    return [flow_run for flow_run in crashed if flow_run.deployment_id is not None]


def _find_store(flow_run: FlowRun) -> Path | None:
    """Return the store of a flow run; None if it is unusable here or not admitted."""
    store = str(flow_run.parameters.get("store") or ".frostline")
    try:
        admit_path("store", store)
        return local_root(store)
    except FrostlineError:
        return None


def _may_be_alive(store: Store, run: str) -> bool:
    """Return whether a process runs this run, or may run it because the check failed."""
    try:
        return store.runs.is_alive(run)
    except FrostlineError:
        return True


def _read_record(store: Store, run: str) -> RunRecord | None:
    try:
        return store.runs.read(run)
    except FrostlineError:  # the record is missing or unreadable
        return None


def _progress(store: Path, record: RunRecord | None) -> str:
    try:
        position = None if record is None else latest_intact(record.chain, Store(store).states)
    except StoreError:  # the state is unreadable at the moment; one run must not block the others
        position = None
    if position is None:
        return "0"
    return f"{position.epoch}.{position.step}" if position.step else str(position.epoch)
