"""Globs: which files a pattern of a specification matches."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from handler.errors import DataError
from handler.store.files import files_within
from handler.store.marker import MARKER

_MAGIC = re.compile(r"[*?\[]")


def is_glob(pattern: str) -> bool:
    """Whether a path has a wildcard."""
    return _MAGIC.search(pattern) is not None


def split(pattern: str, folder: Path) -> tuple[str, str]:
    """A pattern as the folder before its first wildcard and the rest; a folder of just that name has no wildcard."""
    parts, first = Path(pattern).parts, 0
    while first < len(parts) and (not _MAGIC.search(parts[first]) or folder.joinpath(*parts[: first + 1]).exists()):
        first += 1
    return str(Path(*parts[:first])), "/".join(parts[first:])


def matches(pattern: str, folder: Path, where: str) -> list[Path]:
    """The files that a glob matches, sorted.

    Args:
        pattern: the glob.
        folder: what a relative one is relative to.
        where: the field that has it, for messages.

    Raises:
        DataError: it is no glob that could match anything.
    """
    before, rest = split(pattern, folder)
    for part in rest.split("/"):
        if "**" in part and part != "**":
            raise DataError(
                where, f"{pattern!r} is no glob: ** has to be a part of its own, as in a/**/*"
            )
    try:
        found = folder.joinpath(before).glob(rest)
        return sorted(path for path in found if path.is_file())
    except (OSError, ValueError) as error:
        raise DataError(where, f"{pattern!r} can't be looked up: {error}") from error


def files_named(pattern: str, folder: Path, where: str) -> dict[str, Path]:
    """The files that a path, a folder or a glob stands for, by their names from its first wildcard on, sorted.

    A folder stands for all files in it and below, as `folder/**` does. The names don't depend on where the folder is.
    Files in a store and Python's compiled modules are left out: each run writes to them.

    Args:
        pattern: the path, folder or glob.
        folder: what a relative one is relative to.
        where: the field that has it, for messages.

    Raises:
        DataError: there is no such file.
    """
    before, rest = split(pattern, folder)
    path = folder / pattern
    if rest in ("", "**") or path.exists():
        root = path if rest != "**" or path.exists() else folder / before
        found = {path.name: path} if root.is_file() else {_name(file, root): file for file in files_within(root)}
    else:
        root = folder / before
        found = {_name(file, root): file for file in matches(pattern, folder, where)}
    written = _written_by_runs(found.values(), root)
    found = {name: file for name, file in found.items() if not written.intersection(file.parents)}
    if not found:
        raise DataError(where, f"{pattern!r} stands for no file in {folder}; give a file, a folder or a glob of files")
    return dict(sorted(found.items()))


def _written_by_runs(files: Iterable[Path], root: Path) -> set[Path]:
    """The folders below a root that are stores, or that Python writes compiled modules to."""
    folders = {parent for file in files for parent in file.parents if parent != root and parent.is_relative_to(root)}
    return {folder for folder in folders if folder.name == "__pycache__" or (folder / MARKER).is_file()}


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()
