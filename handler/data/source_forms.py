"""Forms of a data source, and of the files that a function reads, as a specification names them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from handler.errors import SpecError
from handler.errors.quoting import quote
from handler.user_code.modules import is_reference
from handler.validation.text import check_file_name

Form = Literal["synthetic", "function", "cloud", "npz", "zarr"]
CLOUDS = (".las", ".laz")
_SUFFIXES: dict[str, Form] = {**dict.fromkeys(CLOUDS, "cloud"), ".npz": "npz", ".zarr": "zarr"}


def classify_source(source: Any) -> Form:
    """Return the kind of a source.

    Raises:
        SpecError: the source has no known form.
    """
    if isinstance(source, list):
        return "cloud"  # only these can be listed
    if source == "synthetic":
        return "synthetic"
    if isinstance(source, str) and (form := _SUFFIXES.get(Path(source).suffix.lower())):
        return form
    if is_reference(source):
        return "function"
    raise SpecError(
        "",
        f"{quote(source)} is not a source; use 'synthetic', a path or glob that ends in .las or .laz, a .npz or .zarr "
        "file, or module:function",
    )


def is_cloud(source: str | list[str]) -> bool:
    """Return whether a source gives point clouds."""
    return classify_source(source) in ("synthetic", "cloud")


def check_source(value: Any) -> Any:
    """Check a source as a user writes it, and return it.

    Raises:
        SpecError: the source has no known form.
    """
    if value is None:
        raise SpecError("", "is missing; use 'synthetic', .las or .laz files, a .npz or .zarr file, or module:function")
    if isinstance(value, str):
        classify_source(value)
        check_file_name(value)
        return value
    if not isinstance(value, list | tuple):
        raise SpecError("", f"must be a source or a list of .las or .laz files, not {quote(value)}")
    if not value:
        raise SpecError("", "the list is empty; name at least one file")
    for i, item in enumerate(value):
        if not isinstance(item, str) or Path(item).suffix.lower() not in CLOUDS:
            raise SpecError(f"[{i}]", f"{quote(item)} is not a .las or .laz file; only these can be listed")
    return _checked_names(value)


def check_files(value: Any) -> Any:
    """Return the paths, folders and globs of the files that a function reads; a single one becomes a list of one.

    Raises:
        SpecError: an item is no file name or is listed twice.
    """
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise SpecError("", f"must be a path, a folder, a glob or a list of these, not {quote(value)}")
    for i, item in enumerate(given):
        if not isinstance(item, str) or not item.strip():
            raise SpecError(f"[{i}]", f"must be a path, a folder or a glob, not {quote(item)}")
    return _checked_names(given)


def _checked_names(names: Sequence[str]) -> list[str]:
    for i, name in enumerate(names):
        check_file_name(name, f"[{i}]")
        if name in names[:i]:
            raise SpecError(f"[{i}]", f"{quote(name)} is listed twice; leave one out")
    return list(names)
