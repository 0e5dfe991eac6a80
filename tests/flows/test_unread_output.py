"""A command whose output nothing reads ends without a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handler.store import Store

COMMAND = Path(sys.executable).with_name("frostline")


@pytest.fixture
def unread():
    """Return the write end of a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("line", ["--help", "runs", "runs --json", "show nothing --json"])
def test_a_command_without_a_reader_ends_without_a_traceback(line, unread, tmp_path):
    done = subprocess.run([COMMAND, *line.split()], cwd=tmp_path, stdout=unread, stderr=subprocess.PIPE, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.service
def test_a_training_without_a_reader_trains_to_its_end(unread, project):
    line = [COMMAND, "train", "small.yaml", "--name", "run", "--store", "store"]
    done = subprocess.run(line, cwd=project, stdout=unread, stderr=unread, timeout=300)
    assert done.returncode == 0
    assert Store(project / "store").runs.read("run").status == "completed"
