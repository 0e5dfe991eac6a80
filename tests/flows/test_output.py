"""The command that continues is one that can be typed."""

import sys

import pytest

from flows.output import command_line


@pytest.mark.parametrize(
    ("called", "installed", "shown"),
    [
        (".venv/bin/frostline", False, ".venv/bin/frostline resume 'my run'"),
        (".venv/bin/frostline", True, "frostline resume 'my run'"),
        ("command.py", False, "frostline resume 'my run'"),
    ],
)
def test_it_names_the_path_where_the_shell_would_not_find_the_name(tmp_path, monkeypatch, called, installed, shown):
    if installed:
        (tmp_path / "frostline").write_text("#!/bin/sh\n")
        (tmp_path / "frostline").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [called])
    assert command_line("resume", "my run") == shown
