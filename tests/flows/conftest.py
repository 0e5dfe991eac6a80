"""The fixtures of the tests of flows and commands; `tests/conftest.py` has the server and the warm process."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.flows.slow_training import SETS

MODELS = Path(__file__).parent.parent / "models"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def project(tmp_path):
    """Return a folder with the small model and its specification."""
    for name in ("small.py", "small.yaml"):
        shutil.copy(MODELS / name, tmp_path)
    return tmp_path


@pytest.fixture
def frostline(forker, project):
    """Return a function that runs a `frostline` command in the project's folder to its end."""

    def type_(*arguments, **more):
        return forker.type(*arguments, **({"folder": project} | more))

    return type_


@pytest.fixture(scope="session")
def trained(forker, tmp_path_factory):
    """Return a folder in which the small specification was trained without interruption, and the finished `train
    --json`.

    The run's name is `whole`.
    """
    folder = tmp_path_factory.mktemp("trained")
    for name in ("small.py", "small.yaml"):
        shutil.copy(MODELS / name, folder)
    typed = forker.type("train", "small.yaml", "--name", "whole", "--store", "kept", "--json", folder=folder)
    assert typed.code == 0, typed.stderr
    return folder, typed


@pytest.fixture(scope="module")
def uninterrupted(forker, tmp_path_factory):
    """Return the answer of an uninterrupted slow training."""
    folder = tmp_path_factory.mktemp("whole")
    for file in ("small.py", "small.yaml", "slow.py"):
        shutil.copy(MODELS / file, folder)
    typed = forker.type("train", "small.yaml", "--store", "s", "--json", *SETS, folder=folder)
    assert typed.code == 0, typed.stderr
    return typed.answer


@pytest.fixture(scope="module")
def machine(server, clean_environment, tmp_path_factory):
    """Return a function that creates machines to run the deployments on."""
    from tests.flows.machines import Machine

    shared = tmp_path_factory.getbasetemp()
    return lambda name: Machine(tmp_path_factory.mktemp(name), server, clean_environment, shared)


@pytest.fixture(scope="module")
def here(machine):
    """Return the machine from which the project is deployed."""
    return machine("clone")


@pytest.fixture(scope="module")
def clone(here):
    """Return that machine's folder."""
    return here.folder


@pytest.fixture(scope="module")
def prefect(here):
    """Return a function that runs a `prefect` command on that machine."""
    return lambda *arguments, **more: here.type("prefect", *arguments, **more)


@pytest.fixture(scope="module")
def deployed(here):
    """Deploy on that machine, and return the answer of `frostline deploy`."""
    before = (here.folder / "prefect.yaml").read_bytes()
    typed = here.type("frostline", "deploy", "--dead-after", "75", "--json")
    assert typed.returncode == 0, typed.stdout + typed.stderr
    assert (here.folder / "prefect.yaml").read_bytes() == before
    return json.loads(typed.stdout)


@pytest.fixture(scope="module")
def worker(here, deployed):
    """Yield a worker on that machine."""
    process = here.work()
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
