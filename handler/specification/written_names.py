"""The names of files that callbacks write: each stays within the run's folder, and is none of a run's own files.

A name is looked at when the specification is read, again when the callback is made, when links in the folder count too,
and a name with fields such as `{epoch:02d}` each time that it is formatted.
"""

from __future__ import annotations

import os
import re
import string
from collections.abc import Collection, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path, PurePath
from typing import Any

from handler.errors import SpecError
from handler.specification.refusals import shown

WRITTEN = {"CSVLogger": "filename", "ModelCheckpoint": "filepath", "TensorBoard": "log_dir"}
# A run's own files. The last two are those of a sweep's run.
OWN_FILES = frozenset(
    {"run.json", "spec.yaml", "history.csv", "report.html", "model.keras", "lock", "answer.json", "log"}
)
_CODE = (*all_suffixes(), ".pth")
_LONGEST = 200  # bytes of one part: a file system takes 255, and Frostline's own files beside it have longer names
_FORMAT = re.compile(r"0?([1-9][0-9]?)?(\.[0-9]{1,2})?[dfFeEgG%]?")


def check_written(kind: str, arguments: Mapping[str, Any], path: str = "") -> None:
    """Refuses a name of a callback's file that could lead out of the run's folder, or to one of a run's own files.

    Args:
        kind: the class, one of Keras's.
        arguments: what it is called with.
        path: where these stand, for messages.

    Raises:
        SpecError: names the argument, the name and what would do.
    """
    argument = WRITTEN.get(kind, "")
    if argument in arguments:
        where = f"{path}.{argument}" if path else argument
        check_name(arguments[argument], where)
        if kind == "ModelCheckpoint":
            check_fields(arguments[argument], where)
    metadata = arguments.get("embeddings_metadata") if kind == "TensorBoard" else None
    for name in metadata.values() if isinstance(metadata, dict) else [metadata] if metadata else []:
        check_name(name, f"{path}.embeddings_metadata".lstrip("."))  # TensorBoard opens it


def check_name(name: Any, path: str) -> None:
    """Refuses a name that isn't one of a file below the run's folder.

    Raises:
        SpecError: names the field, the name and what would do.
    """
    if not isinstance(name, str) or not name.strip():
        raise SpecError(path, f"must be the name of a file in the run's folder, not {shown(name)}")
    parts = PurePath(name).parts
    if Path(name).is_absolute() or ".." in parts or "\\" in name:
        raise SpecError(path, f"{shown(name)} leaves the run's folder; give a name below it")
    if not name.isprintable() or any(len(part.encode(errors="replace")) > _LONGEST for part in parts) or len(parts) > 8:
        raise SpecError(
            path, f"{shown(name)} can't name a file; use up to {_LONGEST} printable characters in each of 8 folders"
        )
    if any(part.startswith(".") for part in parts):
        raise SpecError(path, f"{shown(name)} is hidden, as Frostline's own files are; begin it with another character")
    if parts and parts[0].casefold() in OWN_FILES:
        raise SpecError(path, f"{parts[0]!r} is a file of the run itself; give another name")
    if name.lower().endswith(_CODE):
        raise SpecError(path, f"{shown(name)} would be a module of Python; give it another suffix, such as .csv")


def check_fields(name: str, path: str, there_will_be: Collection[str] | None = None) -> None:
    """Refuses a field of a name that is more than `epoch`, `batch` or a metric, with a width and a precision.

    Args:
        name: the name, such as `{epoch:02d}-{val_loss:.3f}.keras`.
        path: where it stands, for messages.
        there_will_be: what it can be formatted with; None where that isn't known.

    Raises:
        SpecError: names the field.
    """
    known = "a field is {epoch}, {batch} or a metric, as in {epoch:02d} and {val_loss:.3f}"
    try:
        fields = [part[1:] for part in string.Formatter().parse(name) if part[1] is not None]
    except ValueError as error:
        raise SpecError(path, f"{shown(name)} can't be formatted: {error}; {known}") from error
    for field, form, conversion in fields:
        plain = field and not field.isdecimal() and not re.search(r"[.\[\]{}!]", field)
        if not plain or conversion or not _FORMAT.fullmatch(form or ""):
            said = "".join([field or "", f"!{conversion}" if conversion else "", f":{form}" if form else ""])
            raise SpecError(path, f"the field {{{said}}} can't be used; {known}")
        if there_will_be is not None and field not in there_will_be:
            known = ", ".join(sorted(there_will_be))
            raise SpecError(
                path, f"there will be no {field!r} to write into the name {shown(name)}; there will be: {known}"
            )
    values = {field: 1 if field in ("epoch", "batch") else 0.5 for field, _, _ in fields}
    try:
        sample = name.format_map(values)
    except ValueError as error:
        raise SpecError(path, f"{shown(name)} can't be formatted: {error}; {known}") from error
    check_name(sample, path)


def place(folder: Path, name: str, path: str) -> Path:
    """The file of a name in a run's folder, links on the way there looked at.

    Args:
        folder: the run's folder.
        name: the name, fields filled in.
        path: where it stands, for messages.

    Returns:
        The file, absolute.

    Raises:
        SpecError: the name isn't one, or a link leads out of the folder or to one of the run's own files.
    """
    check_name(name, path)
    root, target = Path(os.path.realpath(folder)), Path(os.path.realpath(folder / name))
    if not target.is_relative_to(root):
        raise SpecError(path, f"{name!r} leads out of the run's folder by a link, to {target}; remove the link")
    if target != root:
        check_name(str(target.relative_to(root)), path)
    return target
