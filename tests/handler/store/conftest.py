"""Fixtures: a process in which writes fail or are killed, a directory in memory for its files, and a store at a URL."""

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from handler.store import object_store
from handler.store.raw_zarr import Chunks
from handler.store.store import Store
from tests.s3_server import BUCKET

COUNTER = itertools.count()
ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="session")
def faulty():
    """Return a function that runs a write in a process with a fault and returns the outcome; see `killer.py`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.handler.store.killer"], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def ask(write, store, fault, step=0):
        process.stdin.write(json.dumps({"write": write, "store": str(store.root), "fault": fault, "step": step}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture
def memory():
    """Return a directory in memory, where the hundreds of syncs cost nothing."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def url(s3):
    """Yield the URL of a new store on the S3 server."""
    s3.fault = lambda method, path: None
    yield f"s3://{BUCKET}/store-{next(COUNTER)}"
    s3.fault = lambda method, path: None


@pytest.fixture
def machine(s3, url, monkeypatch, tmp_path):
    """Return a function that makes machines with access to the store, each with its own working directory."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(object_store, "PAUSE", 0.01)

    def make(name):
        monkeypatch.setenv("FROSTLINE_CACHE", str(tmp_path / name))
        return Store(url)

    return make


@pytest.fixture
def small_chunks(monkeypatch):
    """Set chunks of at most 1100 bytes (13 rows of 80 bytes), so that the last chunk is not full."""
    monkeypatch.setattr(Chunks.create.__func__, "__defaults__", (1100,))
