"""Names of files that callbacks write: each must lie in the run's folder and must not be one of the run's own files.

A name is checked when the specification is read, and again when the callback is created, now with the symbolic links
in the folder. A name with fields such as `{epoch:02d}` is also checked each time it is formatted.
"""

import os
import re
import string
from collections.abc import Collection, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path, PurePath
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import quote
from handler.spec.callback_rules import WRITERS

# A run's own files. The last two belong to a run of a sweep.
OWN_FILES = frozenset(
    {"run.json", "spec.yaml", "history.csv", "report.html", "model.keras", "lock", "answer.json", "log"}
)
_CODE = (*all_suffixes(), ".pth")
_LONGEST = 200  # bytes of one component: file systems accept 255; Frostline's own files next to it have longer names
_FORMAT = re.compile(r"0?([1-9][0-9]?)?(\.[0-9]{1,2})?[dfFeEgG%]?")


def check_written(kind: str, arguments: Mapping[str, Any], path: str = "") -> None:
    """Raise `SpecError` for a callback's file name that leads out of the run's folder or to one of the run's own files.

    Args:
        kind: the name of the callback's class in Keras.
        arguments: the arguments of the class.
        path: the path of the arguments, for messages.
    """
    argument = WRITERS.get(kind, "")
    if argument in arguments:
        where = f"{path}.{argument}" if path else argument
        check_name(arguments[argument], where)
        if kind == "ModelCheckpoint":
            check_fields(arguments[argument], where)
    metadata = arguments.get("embeddings_metadata") if kind == "TensorBoard" else None
    for name in metadata.values() if isinstance(metadata, dict) else [metadata] if metadata else []:
        check_name(name, f"{path}.embeddings_metadata".lstrip("."))  # TensorBoard opens it


def check_name(name: Any, path: str) -> None:
    """Raise `SpecError` for a value that is not the name of a file below the run's folder."""
    if not isinstance(name, str) or not name.strip():
        raise SpecError(path, f"must be the name of a file in the run's folder, not {quote(name)}")
    parts = PurePath(name).parts
    if Path(name).is_absolute() or ".." in parts or "\\" in name:
        raise SpecError(path, f"{quote(name)} leaves the run's folder; give a name below it")
    if not name.isprintable() or any(len(part.encode(errors="replace")) > _LONGEST for part in parts) or len(parts) > 8:
        raise SpecError(
            path, f"{quote(name)} can't name a file; use up to {_LONGEST} printable characters in each of 8 folders"
        )
    if any(part.startswith(".") for part in parts):
        raise SpecError(path, f"{quote(name)} is hidden, like Frostline's own files; begin it with another character")
    if parts and parts[0].casefold() in OWN_FILES:  # guard: own-files-of-a-run
        raise SpecError(path, f"{parts[0]!r} is a file of the run itself; give another name")
    if name.lower().endswith(_CODE):
        raise SpecError(path, f"{quote(name)} would be a module of Python; give it another suffix, such as .csv")


def check_fields(name: str, path: str, there_will_be: Collection[str] | None = None) -> None:
    """Raise `SpecError` for a field of a name that is not `epoch`, `batch` or a metric, with width and precision.

    Args:
        name: the name, such as `{epoch:02d}-{val_loss:.3f}.keras`.
        path: the path of the name, for messages.
        there_will_be: the fields with which it can be formatted; None if unknown.
    """
    known = "a field is {epoch}, {batch} or a metric, as in {epoch:02d} and {val_loss:.3f}"
    try:
        fields = [part[1:] for part in string.Formatter().parse(name) if part[1] is not None]
    except ValueError as error:
        raise SpecError(path, f"{quote(name)} can't be formatted: {error}; {known}") from error
    for field, form, conversion in fields:
        plain = field and not field.isdecimal() and not re.search(r"[.\[\]{}!]", field)
        if not plain or conversion or not _FORMAT.fullmatch(form or ""):  # guard: fields-of-a-name
            said = "".join([field or "", f"!{conversion}" if conversion else "", f":{form}" if form else ""])
            raise SpecError(path, f"the field {{{said}}} can't be used; {known}")
        if there_will_be is not None and field not in there_will_be:
            known = ", ".join(sorted(there_will_be))
            raise SpecError(
                path, f"the name {quote(name)} has the field {field!r}, which will not exist; there will be: {known}"
            )
    values = {field: 1 if field in ("epoch", "batch") else 0.5 for field, _, _ in fields}
    try:
        sample = name.format_map(values)
    except ValueError as error:
        raise SpecError(path, f"{quote(name)} can't be formatted: {error}; {known}") from error
    check_name(sample, path)


def resolve_output_file(folder: Path, name: str, path: str) -> Path:
    """Return the absolute path of a named file in a run's folder, with symbolic links resolved.

    Args:
        folder: the run's folder.
        name: the name, with its fields filled in.
        path: the path of the name, for messages.

    Raises:
        SpecError: the name is invalid, or a link leads out of the folder or to one of the run's own files.
    """
    check_name(name, path)
    root, target = Path(os.path.realpath(folder)), Path(os.path.realpath(folder / name))
    if not target.is_relative_to(root):  # guard: link-in-a-run-folder
        raise SpecError(path, f"{name!r} is a link to {target}, outside of the run's folder; remove the link")
    if target != root:
        check_name(str(target.relative_to(root)), path)
    return target
