"""The Prefect server and the warm process that all tests of commands and kills share."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as in handler/backend/tensorflow_setup.py; TensorFlow reads it when it is imported

import pytest

from flows.prefect_server.embedded import start_or_join
from tests.typed import warm


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Yield an embedded Prefect server that lasts for the whole session."""
    share = start_or_join(tmp_path_factory.mktemp("prefect"))
    share.wait()
    yield share
    share.release()


@pytest.fixture(scope="session")
def clean_environment():
    """Return the environment without variables of the user's own Prefect, and with `frostline` on its PATH."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT", "FROSTLINE"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"}


@pytest.fixture(scope="session")
def forker(server, clean_environment, tmp_path_factory):
    """Yield a `Forker`, which runs commands in processes forked from a warm one."""
    environment = clean_environment | {"PREFECT_HOME": str(server.home), "PREFECT_API_URL": server.api_url, "COLUMNS": "160"}
    with warm(environment, tmp_path_factory.mktemp("typed")) as forker:
        yield forker


@pytest.fixture(scope="module")
def s3():
    """Yield an S3 server on loopback, with an empty bucket."""
    from tests.s3_server import S3Server

    server = S3Server()
    yield server
    server.close()
