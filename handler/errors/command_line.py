"""Text of a `frostline` command that works in the shell of the user."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def command_line(*arguments: str, anywhere: bool = False) -> str:
    """Return a `frostline` command as it can be typed in the current folder.

    It begins with `frostline` if the shell finds the script of this process's environment on PATH. Otherwise it begins
    with the script's path, relative if the script lies below the current folder, or without a script with `python -m`.

    Args:
        arguments: the arguments of `frostline`.
        anywhere: whether the text must work in any folder.
    """
    return shlex.join([*_program(Path("/") if anywhere else Path.cwd()), *arguments])


def _program(folder: Path) -> list[str]:
    called = Path(sys.argv[0]) if sys.argv else Path()
    script = called if called.name == "frostline" and called.is_file() else Path(sys.executable).with_name("frostline")
    named = shutil.which("frostline")
    if named is not None and (not script.is_file() or Path(named).samefile(script)):
        return ["frostline"]
    if script.is_file():
        return [_shortest(script.absolute(), folder)]
    return [_shortest(Path(sys.executable), folder), "-m", "flows.command"]


def _shortest(path: Path, folder: Path) -> str:
    below = folder != Path("/") and path.is_relative_to(folder)
    return str(path.relative_to(folder)) if below else str(path)
