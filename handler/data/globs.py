"""Lookup of the files that a glob of a specification matches."""

from collections.abc import Iterable
from pathlib import Path

from handler.errors import DataError
from handler.store.atomic_files import files_within
from handler.store.marker import MARKER
from handler.validation.text import is_glob


def split(pattern: str, folder: Path) -> tuple[str, str]:
    """Split a pattern into the folder before its first wildcard and the rest.

    A part with wildcard characters that exists literally as a file or folder is not a wildcard.

    Args:
        pattern: the pattern.
        folder: the folder that a relative pattern is relative to.
    """
    parts, first = Path(pattern).parts, 0
    while first < len(parts) and (not is_glob(parts[first]) or folder.joinpath(*parts[: first + 1]).exists()):
        first += 1
    return str(Path(*parts[:first])), "/".join(parts[first:])


def matches(pattern: str, folder: Path, where: str) -> list[Path]:
    """Return the files that a glob matches, sorted.

    Args:
        pattern: the glob.
        folder: the folder that a relative glob is relative to.
        where: the field that has it, for messages.

    Raises:
        DataError: the pattern is not a valid glob.
    """
    before, rest = split(pattern, folder)
    for part in rest.split("/"):
        if "**" in part and part != "**":
            raise DataError(where, f"{pattern!r} is not a valid glob: ** must be a whole path component, as in a/**/*")
    try:
        paths = folder.joinpath(before).glob(rest)
        return sorted(path for path in paths if path.is_file())
    except (OSError, ValueError) as error:
        raise DataError(where, f"{pattern!r} can't be searched: {error}") from error


def files_named(pattern: str, folder: Path, where: str) -> dict[str, Path]:
    """Return the files of a path, a folder or a glob by their names from its first wildcard on, sorted.

    A folder stands for all files in it and below, as `folder/**` does. The names don't depend on the location of the
    folder. Files in a store and Python's compiled modules are left out, because each run writes to them.

    Args:
        pattern: the path, folder or glob.
        folder: the folder that a relative pattern is relative to.
        where: the field that has it, for messages.

    Raises:
        DataError: there is no such file.
    """
    before, rest = split(pattern, folder)
    path = folder / pattern
    if rest in ("", "**") or path.exists():
        root = path if rest != "**" or path.exists() else folder / before
        files = {path.name: path} if root.is_file() else {_name(file, root): file for file in files_within(root)}
    else:
        root = folder / before
        files = {_name(file, root): file for file in matches(pattern, folder, where)}
    written = _written_by_runs(files.values(), root)
    files = {name: file for name, file in files.items() if not written.intersection(file.parents)}
    if not files:
        raise DataError(where, f"{pattern!r} matches no file in {folder}; give a file, a folder or a glob of files")
    return dict(sorted(files.items()))


def _written_by_runs(files: Iterable[Path], root: Path) -> set[Path]:
    """Return the folders below a root that are stores or hold Python's compiled modules."""
    folders = {parent for file in files for parent in file.parents if parent != root and parent.is_relative_to(root)}
    return {folder for folder in folders if folder.name == "__pycache__" or (folder / MARKER).is_file()}


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()
