import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from flows.answers import FailureAnswer
from flows.prefect_server import embedded
from tests.flows.server_state import healthy, processes_of
from tests.flows.waiting import wait_for

USE = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from flows.prefect_server.embedded import start_or_join
    share = start_or_join(Path(sys.argv[1]))
    share.wait()
    print(share.url, share.pid, flush=True)
    time.sleep(120)
""")


def use(home):
    process = subprocess.Popen([sys.executable, "-c", USE, str(home)], stdout=subprocess.PIPE, text=True)
    url, pid = process.stdout.readline().split()
    return process, url, int(pid)


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.service
def test_the_embedded_server_ends_with_its_last_user(tmp_path):
    mine = embedded.start_or_join(tmp_path)
    mine.wait()
    other, url, pid = use(tmp_path)
    assert (url, pid) == (mine.url, mine.pid)
    assert os.getsid(mine.pid) == mine.pid != os.getsid(0)  # a Ctrl-C in this terminal does not reach it
    mine.release(seconds=0)
    assert healthy(url)
    end(other)
    wait_for(lambda: not processes_of(tmp_path))
    assert not (tmp_path / "frostline-server.json").exists()


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
def test_a_killed_holder_ends_its_server_and_the_next_user_starts_one(tmp_path):
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


def test_a_server_that_cannot_start_names_its_log(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_KEEPALIVE_TIMEOUT", "not a number")
    share = embedded.start_or_join(tmp_path)
    with pytest.raises(embedded.ServerError, match=r"ended during its start; its log is .*frostline-server\.log; the last line"):
        share.wait()
    share.release()
    wait_for(lambda: not processes_of(tmp_path))


def test_an_unwritable_prefect_home_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(embedded.ServerError, match="set PREFECT_HOME to a writable folder, or PREFECT_API_URL"):
        embedded.start_or_join(tmp_path / "file" / "home")


def test_the_api_url_is_read_from_the_environment_or_the_profile(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert embedded.configured_api_url() is None
    (tmp_path / "profiles.toml").write_text(
        'active = "here"\n[profiles.here]\n[profiles.there]\nPREFECT_API_URL = "http://there:4200/api"\n'
    )
    assert embedded.configured_api_url() is None
    monkeypatch.setenv("PREFECT_PROFILE", "there")
    assert embedded.configured_api_url() == "http://there:4200/api"
    monkeypatch.setenv("PREFECT_API_URL", "http://mine:4200/api")
    assert embedded.configured_api_url() == "http://mine:4200/api"


def test_an_unreachable_external_server_fails_before_a_run_begins(forker, project):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api"
        typed = forker.type("train", "small.yaml", "--store", "s", "--json", folder=project, PREFECT_API_URL=url)
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status) == (1, "failed")
    assert failure.error.startswith(f"the Prefect server at {url} doesn't answer or rejects requests (")
    assert "start it, set PREFECT_API_AUTH_STRING" in failure.error
    assert "unset PREFECT_API_URL" in failure.error
    assert not (project / "s" / "runs").exists()


def test_a_server_password_appears_in_no_error_or_answer(forker, project):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://user:hunter2@127.0.0.1:{nobody.getsockname()[1]}/api"
        typed = forker.type("train", "small.yaml", "--store", "s", "--json", folder=project, PREFECT_API_URL=url)
    failure = FailureAnswer.model_validate(typed.answer)
    assert failure.error.startswith(f"the Prefect server at {url.replace('user:hunter2', '***')} doesn't answer or rejects requests (")
    assert "hunter2" not in typed.stdout + typed.stderr
