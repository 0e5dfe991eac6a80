import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from handler.errors.command_line import command_line

SCRIPT = Path(sys.executable).with_name("frostline")


@pytest.fixture
def path(monkeypatch):
    """Return a function that sets PATH to some folders and returns the text of a command."""

    def text(*folders, **more):
        monkeypatch.setenv("PATH", os.pathsep.join(str(folder) for folder in folders))
        return command_line("runs", "--store", "a b", **more)

    return text


def test_a_command_on_path_is_printed_by_name(path):
    assert path("/usr/bin", SCRIPT.parent) == "frostline runs --store 'a b'"


def test_a_command_that_is_not_on_path_is_printed_by_its_path(path, monkeypatch):
    monkeypatch.chdir(SCRIPT.parents[2])
    here = SCRIPT.relative_to(SCRIPT.parents[2])
    assert path("/usr/bin") == f"{here} runs --store 'a b'"
    assert path("/usr/bin", anywhere=True) == f"{SCRIPT} runs --store 'a b'"


def test_the_command_of_another_environment_is_not_printed(path, tmp_path):
    other = tmp_path / "frostline"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert shlex.split(path(tmp_path, anywhere=True))[0] == str(SCRIPT)


def test_without_the_script_the_module_is_printed(path, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    assert path("/usr/bin") == f"{python} -m flows.command runs --store 'a b'"


@pytest.mark.parametrize("folders", [["/usr/bin"], ["/usr/bin", str(SCRIPT.parent)]], ids=["by path", "by name"])
def test_the_printed_command_works_in_a_shell(path, folders, tmp_path):
    text = path(*folders, anywhere=True)
    typed = subprocess.run(text, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "there are no runs in a b" in typed.stdout
