"""Training processes, with a stand-in for the fork server, which starts a shell command per request."""

import sys
import textwrap
import threading

import pytest

from handler.stop_flag import stop
from tasks import training_process
from tasks.training_process import ForkServer, fork_server_closed, run
from tests.flows.waiting import wait_for

SERVER = textwrap.dedent("""
    #!{python}
    import json, subprocess, sys
    for line in sys.stdin:
        request = json.loads(line)
        with open(request["out"], "w") as out:
            process = subprocess.Popen(["sh", "-c", request["arguments"][0]], stdout=out)
        print(json.dumps({{"pid": process.pid}}), flush=True)
    open({ended!r}, "w").close()
""").lstrip()


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Replace the fork server; return the file that it writes at its end."""
    server, ended = tmp_path / "server", tmp_path / "ended"
    server.write_text(SERVER.format(python=sys.executable, ended=str(ended)))
    server.chmod(0o755)
    with monkeypatch.context() as replaced:
        replaced.setattr(training_process.sys, "executable", str(server))
        replaced.setattr(training_process, "_fork_server", ForkServer())
        with fork_server_closed():
            yield ended
    stop.reset()


def test_a_command_runs_to_its_end(started, tmp_path):
    run(["sleep 0.3; echo done"], tmp_path / "out", tmp_path / "err")
    assert (tmp_path / "out").read_text() == "done\n"


def test_a_stop_request_is_passed_on_once(started, tmp_path):
    command = "trap 'echo asked' TERM; echo ready; n=0; while [ $n -lt 20 ]; do sleep 0.05; n=$((n+1)); done"
    waiting = threading.Thread(target=run, args=([command], tmp_path / "out", tmp_path / "err"))
    waiting.start()
    wait_for(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text())
    stop.request("SIGTERM")
    waiting.join(30)
    assert (tmp_path / "out").read_text() == "ready\nasked\n"


def test_one_server_starts_all_commands(started, tmp_path):
    with fork_server_closed():
        for _ in range(2):
            run(["true"], tmp_path / "out", tmp_path / "err")
        assert not started.exists()
    assert started.exists(), "it ended, once no process needs it"
