import os
import subprocess
import sys
import textwrap

import pytest

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
