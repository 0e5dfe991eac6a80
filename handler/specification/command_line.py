"""A `frostline` command as text that works where it is typed."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def command_line(*arguments: str, anywhere: bool = False) -> str:
    """A `frostline` command as it can be typed in the current folder.

    The shell finds `frostline` by its name where the environment of this process is on PATH. Elsewhere the text has
    the script's path, relative where the script lies below the current folder; without a script, the module.

    Args:
        arguments: what comes after `frostline`.
        anywhere: make a text that can be typed in any folder.
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
