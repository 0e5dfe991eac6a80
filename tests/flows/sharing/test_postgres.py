"""Two workers and a server on Postgres, set up as in `docs/operations.md`: shared epochs are trained once, each run
once.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
from collections import Counter

import pytest

from handler.store.store import Store
from tests.flows.conftest import ROOT
from tests.flows.machines import Machine
from tests.flows.own_server import OwnServer, free_port
from tests.flows.prefect_records import flow_runs, read, start_run, started
from tests.flows.waiting import wait_for_server

pytestmark = [
    pytest.mark.service,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("initdb") is None, reason="Postgres isn't installed here"),
]
DIARY = "training.callbacks=[{name: 'slow:Diary'}]"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory, clean_environment):
    """Run the documented commands with a temporary folder and port; yield the connection URL."""
    shown = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("## More than one worker")[1]
    *commands, _ = re.search(r"\n\n((?:    .*\n)+)", shown)[1].splitlines()  # the last one starts Prefect's server
    folder, port = tmp_path_factory.mktemp("postgres"), free_port()
    owner = {}
    if os.getuid() == 0:  # Postgres does not run as root
        nobody = pwd.getpwnam("nobody")
        owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        for above in list(folder.parents)[:-2]:
            above.chmod(above.stat().st_mode | 0o011)
    (folder / "password").write_text("secret")
    (folder / "password").chmod(0o644)
    script = "set -e\n" + "\n".join(commands).replace("/srv/prefect", str(folder)).replace("5433", str(port))
    script += '\nprintf %s "$PREFECT_SERVER_DATABASE_CONNECTION_URL" > url'
    with (folder / "said").open("w") as said:
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=clean_environment, stdout=said, stderr=said, check=False, **owner)
    assert done.returncode == 0, (folder / "said").read_text()
    yield (folder / "url").read_text(), folder / "log"
    os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGINT)


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory, clean_environment):
    url, _ = postgres
    home = tmp_path_factory.mktemp("operations") / "home"
    server = OwnServer(home, free_port(), clean_environment | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url})
    server.start()
    yield server
    server.kill()


def epochs_of(machine):
    path = machine.folder / "trained"
    return Counter(int(line.split()[1]) for line in path.read_text().splitlines()) if path.exists() else Counter()


def test_two_workers_on_postgres_train_shared_epochs_once(server, postgres, clean_environment, tmp_path_factory):
    base = tmp_path_factory.mktemp("machines")
    machines = [Machine(base / name, server, clean_environment, base) for name in ("one", "two")]
    typed = machines[0].type("frostline", "deploy", "--json")
    assert typed.returncode == 0, typed.stdout + typed.stderr
    for deployment in read(server, "deployments/filter", {}):
        read(server, f"deployments/{deployment['id']}/pause_deployment", {})
    workers = [machine.work("--limit", "2") for machine in machines]
    store = Store(base / "store")
    rates = {f"rate-{n}": f"freeze_training.1.initial_learning_rate={n / 1000}" for n in range(1, 7)}  # set at epoch 3 of 6
    runs = rates | {"other-1": "seed=101", "other-2": "seed=102"}
    try:
        wait_for_server(lambda: len([w for w in read(server, "work_pools/local/workers/filter", {}) if w["status"] == "ONLINE"]) == 2)
        for name, override in runs.items():
            start_run(lambda *a: machines[0].type("prefect", *a), name, override, DIARY, store=store.root)
        for name in runs:
            assert started(server, name, seconds=400)["state"]["name"] == "Completed"
    finally:
        for worker in workers:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    each = [epochs_of(machine) for machine in machines]
    assert all(each)  # both workers have trained
    assert each[0] + each[1] == {0: 3, 1: 3, 2: 3, 3: 8, 4: 8, 5: 8}
    records = {name: store.runs.read(name) for name in runs}
    assert {record.status for record in records.values()} == {"completed"}
    assert len({record.weights for record in records.values()}) == len(runs)
    trained = Counter(segment.state for record in records.values() for segment in record.segments if segment.source == "trained")
    assert set(trained.values()) == {1}
    assert len({records[name].segments[1].state for name in rates}) == 1
    assert {len(flow_runs(server, name)) for name in runs} == {1}
    assert store.runs.active_names() == []
    assert store.verify() == []
    for said in (server.log.read_text(), postgres[1].read_text()):
        assert not [line for line in said.splitlines() if re.search(r"\b(ERROR|CRITICAL|FATAL|PANIC|Traceback)\b", line)]
