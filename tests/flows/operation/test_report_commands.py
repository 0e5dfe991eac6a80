"""The commands that a run's page prints work as printed."""

import html
import re
import subprocess

import pytest

from handler.store.store import Store

pytestmark = [pytest.mark.service, pytest.mark.timeout(300)]


def commands_of(page):
    return [html.unescape(text) for text in re.findall(r"\$ </span>(.*?)</pre>", page)]


def test_the_commands_on_a_report_page_leave_user_files_unchanged(trained, tmp_path, clean_environment):
    folder, typed = trained
    mine = folder / "whole.yaml"  # the path to which a command could export the run's specification
    mine.write_text("# mine\n")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    again, anew = commands_of((folder / typed.answer["report"]).read_text())
    environment = clean_environment | {"PREFECT_HOME": str(tmp_path / "home")}
    for command in (again, anew):
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, command + done.stdout + done.stderr
    assert Store(tmp_path / "frostline-again").runs.read("whole").weights == typed.answer["weights"]
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    mine.unlink()
