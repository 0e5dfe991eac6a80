"""The runs that ended without a person's request, by the store and by Prefect's server."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import ObjectNotFound

from flows.dead_runs import find_dead_runs
from handler.store.store import Store
from tests.handler.store.writes import record, state


class Server:
    """A stand-in for Prefect's server with flow runs."""

    def __init__(self, *flow_runs):
        self.flow_runs = flow_runs

    def read_flow_runs(self, *, flow_run_filter, **_):
        wanted = flow_run_filter.name.any_ if flow_run_filter.name else None
        if wanted is None:
            return [run for run in self.flow_runs if run.state.type == StateType.CRASHED]
        return [run for run in self.flow_runs if run.name in wanted]

    def read_flow_run(self, flow_run_id):
        for run in self.flow_runs:
            if run.id == flow_run_id:
                return run
        raise ObjectNotFound(Exception("of another server"))


def flow_run(store, kind, name="mine", deployed=True):
    timestamp = datetime.now(UTC) - timedelta(hours=1)
    return SimpleNamespace(id=uuid4(), name=name, parameters={"store": str(store)}, state=State(type=kind, timestamp=timestamp),
                           deployment_id=uuid4() if deployed else None)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def write(store, status, **more):
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    changes = {"spec": {"name": "mine"}, "updated": hour_ago, **more}
    store.runs.write(record(1, status=status).model_copy(update=changes))


def dead(store, *flow_runs, grace=0.0):
    return [one.run for one in find_dead_runs(Server(*flow_runs), store.root, lookback_hours=1, grace_seconds=grace)]


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        ("running", {}, ["mine"]),
        ("interrupted", {"stopped_by": "SIGTERM"}, ["mine"]),
        ("interrupted", {"stopped_by": "SIGINT"}, []),
        ("failed", {}, []),
        ("completed", {}, []),
    ],
    ids=str,
)
def test_a_run_that_no_person_ended_is_dead(store, status, more, expected):
    write(store, status, **more)
    assert dead(store) == expected


def test_a_run_in_use_is_not_dead(store):
    write(store, "running")
    with store.runs.lock("mine"):
        assert dead(store) == []


def test_the_resume_deployment_ignores_killed_kernels(store):
    write(store, "running", spec={})
    assert dead(store) == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(StateType.CRASHED, ["mine"]), (StateType.RUNNING, ["mine"]), (StateType.CANCELLED, []), (StateType.SCHEDULED, [])],
)
def test_the_server_knows_whether_a_person_ended_a_run(store, kind, expected):
    write(store, "running")
    assert dead(store, flow_run(store.root, kind)) == expected


def test_a_flow_run_gets_time_to_start_or_end(store):
    write(store, "running")
    running = flow_run(store.root, StateType.RUNNING)
    assert dead(store, running, grace=7200) == []
    assert dead(store, running, grace=60) == ["mine"]


def test_a_run_that_crashed_before_its_first_record_is_dead(store):
    assert dead(store, flow_run(store.root, StateType.CRASHED)) == ["mine"]
    assert dead(store, flow_run(store.root, StateType.CRASHED, deployed=False)) == []


def test_the_flow_run_in_the_record_counts_whatever_its_name(store):
    cancelled = flow_run(store.root, StateType.CANCELLED, name="renamed")
    write(store, "running", started_by=str(cancelled.id))
    assert dead(store, cancelled) == []
    assert dead(store) == ["mine"], "a server that does not know it"


def test_a_dead_run_has_the_progress_of_its_states(store):
    store.states.write("k1", state(1.0))
    write(store, "running", chain=["k0", "k1"])
    for progress in ("1", "0"):
        (found,) = find_dead_runs(Server(), store.root, lookback_hours=1, grace_seconds=0)
        assert found.progress == progress
        store.states.remove("k1")
