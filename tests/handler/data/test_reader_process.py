"""Native readers in a process of their own: the end of a process is one sentence."""

import pytest

from handler.data import reader_process
from handler.data.las import read_cloud
from handler.errors import DataError


def test_a_reader_that_hangs_is_killed(tmp_path, scene, write_las, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(reader_process, "PATIENCE", 0.5)
    monkeypatch.setattr(reader_process.reader_program, "__file__", str(program))
    with pytest.raises(DataError, match=r"tile\.laz can't be read as LAS \(it can't be read within 1 s\)"):
        read_cloud(write_las(scene[0], tmp_path / "tile.laz"))


def test_the_error_of_a_killed_reader_names_its_signal(tmp_path, scene, write_las, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(reader_process.reader_program, "__file__", str(program))
    with pytest.raises(DataError, match=r"tile\.laz can't be read as LAS \(its reader ended with signal 6\)"):
        read_cloud(write_las(scene[0], tmp_path / "tile.laz"))
