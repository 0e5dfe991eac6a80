"""User code: failures give one sentence and the user's frames; code runs in its folder and draws the same numbers."""

import os
import threading
from pathlib import Path

import pytest

from handler.errors import Interrupted, SpecError, UserCodeError
from handler.user_code.boundary import UserCode, call
from handler.user_code.importer import resolve_function


@pytest.mark.parametrize("raised", [KeyboardInterrupt, Interrupted("stopped"), SpecError("a", "b"), MemoryError])
def test_interrupts_and_frostline_errors_pass_through_user_code(raised, tmp_path):
    with pytest.raises(raised if isinstance(raised, type) else type(raised)), UserCode(tmp_path, "data.source: f"):
        raise raised


def test_arguments_that_do_not_fit_are_refused_before_the_call(module, tmp_path):
    function = module("raise AssertionError", "def load(n):")
    with pytest.raises(SpecError, match=r"^data.args: jobs:load refuses \{'m': 1\}: .*; it takes n$"):
        call(function, "jobs:load", {"m": 1}, tmp_path, "data.source", at="data.args")


def test_a_module_that_exits_on_import_is_a_user_code_error(module, tmp_path):
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(0)\ndef load(): pass\n")
    with pytest.raises(UserCodeError, match=r"data\.source: importing 'ends' failed: SystemExit: 0") as raised:
        resolve_function("ends:load", tmp_path, "data.source")
    assert raised.value.frames.startswith("  ends.py, line 2")


# Working directory.


def test_user_code_runs_in_its_folder(tmp_path, module):
    (tmp_path / "numbers.txt").write_text("1")
    function = module("from pathlib import Path; return Path('numbers.txt').read_text()")
    assert call(function, "jobs:load", {}, tmp_path, "data.source") == "1"


def test_the_working_directory_is_restored_after_user_code(tmp_path, module, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    call(module("import os; os.chdir('/')"), "jobs:load", {}, tmp_path, "data.source")
    assert Path.cwd() == elsewhere
    with pytest.raises(UserCodeError), UserCode(tmp_path, "f"), UserCode(tmp_path, "g"):
        raise ValueError
    assert Path.cwd() == elsewhere


def test_the_last_of_several_threads_restores_the_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entered, leave = threading.Event(), threading.Event()

    def other():
        with UserCode(tmp_path / "inner", "f"):
            entered.set()
            leave.wait(10)

    (tmp_path / "inner").mkdir()
    thread = threading.Thread(target=other)
    with UserCode(tmp_path / "inner", "g"):
        thread.start()
        entered.wait(10)
    assert Path.cwd() == tmp_path / "inner"
    leave.set()
    thread.join()
    assert Path.cwd() == tmp_path


def test_user_code_runs_although_the_working_directory_was_removed(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with UserCode(tmp_path, "f"):
        assert Path.cwd() == tmp_path
    os.chdir(tmp_path)
