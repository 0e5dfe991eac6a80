"""Attacks by a user who may start flow runs on a real server: the worker rejects them, and no attacker's code runs."""

import json
import urllib.error
import urllib.request

import pytest
import yaml

from tests.flows.prefect_records import create_run, deployments, started

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]

EVIL = 'import pathlib\n\ndef run(file="CANARY"):\n    pathlib.Path(file).write_text("ran")\n'


@pytest.fixture(scope="module")
def attack(worker, server, clone):
    """Return a function that starts a deployment's flow run through the server's API, and returns its final state."""
    packages = clone / ".venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (clone / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (packages / "evil.py").write_text(EVIL)
    (clone / "imports.py").write_text("from subprocess import check_call\n")
    ids = {name: deployment["id"] for name, deployment in deployments(server).items()}

    def attack_(called, deployment="train", job=None, **parameters):
        create_run(server, ids[deployment], name=called, parameters=parameters | {"name": called},
                   job_variables=job or {}, state={"type": "SCHEDULED"})  # fmt: skip
        ended = started(server, called)
        assert not list(clone.rglob("CANARY"))
        return ended["state"]

    return attack_


def specification(clone, source, **arguments):
    spec = yaml.safe_load((clone / "small.yaml").read_text())
    spec["data"] = {"source": source, "args": arguments}
    return spec


@pytest.mark.parametrize(
    ("given", "folder", "said"),
    [
        (("evil:run", {}), ".venv/lib/python3.11/site-packages", "lies in an environment"),
        (("setuptools._distutils.spawn:spawn", {"cmd": ["touch", "CANARY"]}), ".", "there is no module"),
        (("imports:check_call", {"args": ["touch", "CANARY"]}), ".", "is subprocess.check_call, which imports.py only imports"),
        (("files:remove", {"target": "small.py"}), "handler/store", "is Frostline's own code"),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_worker_runs_no_code_from_outside_its_project(given, folder, said, attack, clone):
    source, arguments = given
    name = f"attack-{source.replace(':', '-')}"
    state = attack(name, spec=specification(clone, source, **arguments), folder=folder, store="attacked")
    assert state["type"] == "FAILED"
    assert said in state["message"]
    assert not (clone / "attacked").exists()
    assert (clone / "small.py").exists()


def test_a_worker_refuses_a_dask_cluster_outside_the_allow_list(attack, clone):
    state = attack("cluster", "sweep", spec_files=["small.yaml"], dask="tcp://127.0.0.1:9", store="attacked")
    assert state["type"] == "FAILED"
    assert "dask: 'tcp://127.0.0.1:9' is not among the addresses of FROSTLINE_ALLOWED_ADDRESSES" in state["message"]


@pytest.mark.parametrize("job", [{"command": "touch CANARY"}, {"working_dir": "/tmp"}, {"env": {"FROSTLINE_ALLOWED_MODULES": "imports"}},
                                 {"env.FROSTLINE_ALLOWED_MODULES": "imports"}], ids=str)  # fmt: skip
def test_the_server_refuses_a_flow_run_with_its_own_command_or_environment(job, attack, clone):
    with pytest.raises(urllib.error.HTTPError, match="422"):
        attack("brings", job=job, spec=specification(clone, "imports:check_call", args=["touch", "CANARY"]), store="attacked")
    assert not list(clone.rglob("CANARY"))


def test_a_foreign_web_page_cannot_start_a_flow_run(server, worker):
    deployment = deployments(server)["train"]["id"]
    request = urllib.request.Request(f"{server.api_url}/deployments/{deployment}/create_flow_run", json.dumps({"name": "page"}).encode(),
                                     {"Content-Type": "text/plain", "Origin": "http://else.where"})  # fmt: skip
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=60)
