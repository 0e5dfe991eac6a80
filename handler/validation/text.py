"""Checks of text from the user: text that no file name, JSON or page can hold is refused early."""

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import join, quote

LONGEST_NAME = 255  # bytes of one component of a path: the limit of file systems
LONGEST_PATH = 4000
DEEPEST = 100


def check_text(value: Any, path: str = "", depth: int = 0) -> None:
    """Raise `SpecError` for text in plain data that isn't Unicode or has a NUL, and for data that is nested too deeply.

    Args:
        value: plain data: text, numbers, lists, mappings.
        path: the path of the value, for messages.
        depth: the depth of nesting of the value.
    """
    if depth > DEEPEST:
        raise SpecError(path.partition("[")[0][:80], f"is nested more than {DEEPEST} deep; write it flatter")
    if isinstance(value, str):
        if not _is_unicode(value) or "\0" in value:
            raise SpecError(path, f"{quote(value)} has characters that aren't text; write it without them")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            check_text(key, path, depth + 1)
            check_text(part, join(path, str(key)), depth + 1)
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            check_text(part, f"{path}[{i}]", depth + 1)


def check_file_name(name: str, path: str = "") -> None:
    """Raise `SpecError` for a path that no file system accepts, because a part of it or all of it is too long.

    Args:
        name: the path, or a glob.
        path: the field that names it.
    """
    longest = max((os.fsencode(part) for part in PurePath(name).parts), key=len, default=b"")
    if len(longest) > LONGEST_NAME:
        raise SpecError(path, f"{quote(name)} can't name a file: a part of it has {len(longest)} bytes, at most 255 do")
    if len(os.fsencode(name)) > LONGEST_PATH:
        raise SpecError(path, f"{quote(name)} can't name a file: it has more than {LONGEST_PATH} bytes")


def check_folder_name(folder: PurePath, path: str) -> None:
    """Raise `SpecError` for a folder whose name isn't text: no record, report or answer could name the files in it."""
    if not _is_unicode(str(folder)):
        raise SpecError(path, f"the name of {os.fsencode(folder)!r} isn't UTF-8; rename the folder, or use another")


def is_glob(pattern: str) -> bool:
    """Return whether a name or path has a wildcard."""
    return any(sign in pattern for sign in "*?[")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
