"""The wait for an unreachable server, and the flow run of this process."""

import pytest

from flows import prefect_sync
from flows.prefect_server.embedded import ServerError
from flows.prefect_sync import ProcessFlowRun, require_server, send_queued, wait_for_return, wait_until_recorded
from handler.stop_flag import stop


@pytest.fixture
def answers(monkeypatch):
    """Set the server's next answers: None, or the error with which it fails; the last one is repeated."""
    left = []
    monkeypatch.setattr(prefect_sync, "server_error", lambda: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(prefect_sync.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(prefect_sync, "process_flow_run", ProcessFlowRun())
    return left


DOWN = ConnectionError("refused")


def test_a_server_that_answers_is_not_waited_for(answers):
    answers[:] = [None]
    assert wait_for_return(lambda: pytest.fail("it answers"))


def test_a_server_that_returns_is_waited_for_with_one_note(answers):
    answers[:] = [DOWN, DOWN, DOWN, None]
    notes = []
    assert wait_for_return(lambda: notes.append("waiting"))
    assert notes == ["waiting"]


def test_a_stop_request_ends_the_wait_for_a_server(answers):
    answers[:] = [DOWN]
    try:
        assert not wait_for_return(lambda: stop.request("SIGINT"))
    finally:
        stop.reset()


def test_an_embedded_server_that_ended_is_not_waited_for(answers):
    answers[:] = [DOWN]
    prefect_sync.process_flow_run.server_may_return = lambda: False
    assert not wait_for_return(lambda: pytest.fail("it has ended"))


def test_the_wait_for_a_server_has_a_limit(answers, monkeypatch):
    answers[:] = [DOWN]
    monkeypatch.setattr(prefect_sync, "RETURN_SECONDS", 0.0)
    assert not wait_for_return(lambda: None)


def test_a_required_server_is_named_with_the_remedy(answers):
    answers[:] = [None]
    require_server("http://here/api", "start it")
    answers[:] = [DOWN]
    said = r"^the Prefect server at http://here/api doesn't answer or rejects requests \(ConnectionError: refused\); start it$"
    with pytest.raises(ServerError, match=said):
        require_server("http://here/api", "start it")


def test_nothing_is_awaited_before_the_first_flow_run(answers):
    answers[:] = [DOWN]
    assert wait_until_recorded(0.0)


def test_a_process_without_prefect_has_nothing_queued(monkeypatch):
    monkeypatch.delitem(prefect_sync.sys.modules, "prefect.events.worker", raising=False)
    assert send_queued(0.0)
