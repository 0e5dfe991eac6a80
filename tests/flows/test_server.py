import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from flows import server as embedded
from flows.answers import FailureAnswer

USE = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from flows.server import start_or_join
    share = start_or_join(Path(sys.argv[1]))
    share.wait()
    print(share.url, share.pid, flush=True)
    time.sleep(120)
""")


def healthy(url):
    with urllib.request.urlopen(f"{url}/api/health", timeout=5) as response:
        return response.status == 200


def use(home):
    process = subprocess.Popen([sys.executable, "-c", USE, str(home)], stdout=subprocess.PIPE, text=True)
    url, pid = process.stdout.readline().split()
    return process, url, int(pid)


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def processes_of(home):
    """Return the process ids of a home's embedded server: the holder and the server itself."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or b"flows.server_holder" not in (folder / "cmdline").read_bytes():
                continue
            about = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"{home}\0".encode() in about:
            found.append(int(folder.name))
    return found


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen"
        time.sleep(0.05)


@pytest.mark.service
def test_the_server_lives_as_long_as_its_last_user_killed_or_not(tmp_path):
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
def test_a_server_that_dies_is_started_again_on_the_same_port(tmp_path):
    share = embedded.start_or_join(tmp_path)
    share.wait()
    server = next(pid for pid in processes_of(tmp_path) if pid != share.pid)
    os.kill(server, signal.SIGKILL)
    share.wait()
    assert server not in processes_of(tmp_path)
    share.release()
    wait_for(lambda: not processes_of(tmp_path))


@pytest.mark.service
def test_a_killed_holder_takes_its_server_along_and_the_next_user_starts_another(tmp_path):
    first = embedded.start_or_join(tmp_path)
    first.wait()
    os.kill(first.pid, signal.SIGKILL)
    first.process.wait()
    wait_for(lambda: not processes_of(tmp_path))
    with pytest.raises(embedded.ServerError, match=r"ended while it started; its log is .*frostline-server\.log"):
        first.wait()
    second = embedded.start_or_join(tmp_path)
    assert second.pid != first.pid
    second.wait()
    first.release(seconds=0)
    second.release()
    wait_for(lambda: not processes_of(tmp_path))


def test_a_server_that_cant_start_says_so_and_where_its_log_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_KEEPALIVE_TIMEOUT", "not a number")
    share = embedded.start_or_join(tmp_path)
    with pytest.raises(embedded.ServerError, match=r"ended while it started; its log is .*frostline-server\.log; the last line"):
        share.wait()
    share.release()
    wait_for(lambda: not processes_of(tmp_path))


def test_a_home_that_cant_be_written_is_refused_with_what_would_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(embedded.ServerError, match="set PREFECT_HOME to a folder that can be written, or PREFECT_API_URL"):
        embedded.start_or_join(tmp_path / "file" / "home")


def test_a_server_of_the_users_own_is_found_in_the_environment_or_the_active_profile(tmp_path, monkeypatch):
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


def test_a_server_of_the_users_own_that_isnt_there_is_told_before_anything_is_begun(forker, project):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api"
        typed = forker.type("train", "small.yaml", "--store", "s", "--json", folder=project, PREFECT_API_URL=url)
    failure = FailureAnswer.model_validate(typed.answer)
    assert (typed.code, failure.status) == (1, "failed")
    assert failure.error.startswith(f"the Prefect server at {url} doesn't answer, or refuses (")
    assert "start it, set PREFECT_API_AUTH_STRING" in failure.error
    assert "unset PREFECT_API_URL" in failure.error
    assert not (project / "s" / "runs").exists()


def test_a_servers_password_is_in_no_error_and_no_answer(forker, project):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://user:hunter2@127.0.0.1:{nobody.getsockname()[1]}/api"
        typed = forker.type("train", "small.yaml", "--store", "s", "--json", folder=project, PREFECT_API_URL=url)
    failure = FailureAnswer.model_validate(typed.answer)
    assert failure.error.startswith(f"the Prefect server at {url.replace('user:hunter2', '***')} doesn't answer, or refuses (")
    assert "hunter2" not in typed.stdout + typed.stderr
