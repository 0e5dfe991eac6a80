"""The process that holds the embedded server."""

import os
import signal

import pytest

from flows.prefect_server import embedded
from tests.flows.server_state import processes_of
from tests.flows.waiting import wait_for


@pytest.mark.service
def test_a_killed_embedded_server_restarts_on_its_port(tmp_path):
    share = embedded.start_or_join(tmp_path)
    share.wait()
    server = next(pid for pid in processes_of(tmp_path) if pid != share.pid)
    os.kill(server, signal.SIGKILL)
    share.wait()
    assert server not in processes_of(tmp_path)
    share.release()
    wait_for(lambda: not processes_of(tmp_path))


@pytest.mark.service
def test_the_next_user_starts_a_server_after_its_holder_was_killed(tmp_path):
    first = embedded.start_or_join(tmp_path)
    first.wait()
    os.kill(first.pid, signal.SIGKILL)
    first.process.wait()
    wait_for(lambda: not processes_of(tmp_path))
    with pytest.raises(embedded.ServerError, match=r"ended during its start; its log is .*frostline-server\.log"):
        first.wait()
    second = embedded.start_or_join(tmp_path)
    assert second.pid != first.pid
    second.wait()
    first.release(seconds=0)
    second.release()
    wait_for(lambda: not processes_of(tmp_path))
