"""What the tests of the flow and the command share; the server and the warm process are those of `tests/conftest.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

MODELS = Path(__file__).parent.parent / "models"
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def project(tmp_path):
    """A folder with the small model and its specification."""
    for name in ("small.py", "small.yaml"):
        shutil.copy(MODELS / name, tmp_path)
    return tmp_path


@pytest.fixture
def frostline(forker, project):
    """Types a `frostline` command in the project's folder and waits for its end."""

    def type_(*arguments, **more):
        return forker.type(*arguments, **({"folder": project} | more))

    return type_


@pytest.fixture(scope="session")
def trained(forker, tmp_path_factory):
    """A folder in which the small specification was trained without interruption, and what `train --json` answered. The run's name is `whole`."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("small.py", "small.yaml"):
        shutil.copy(MODELS / name, folder)
    typed = forker.type("train", "small.yaml", "--name", "whole", "--store", "kept", "--json", folder=folder)
    assert typed.code == 0, typed.stderr
    return folder, typed
