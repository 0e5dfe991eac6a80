"""Reader of a specification's text (YAML or JSON). It returns plain data; every error names the line."""

import codecs
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import quote, suggestion
from handler.spec.yaml_loader import read_yaml

LONGEST = 1_000_000  # bytes


def read_mapping(file: str | Path) -> dict[str, Any]:
    """Return the content of a specification file.

    Raises:
        SpecError: the file does not exist, can't be read, or isn't YAML (or JSON, by its name); names the line.
    """
    if not isinstance(file, str | Path):
        raise SpecError("path", f"must be a specification's file, not an object of class {type(file).__name__}")
    path = Path(file)
    if path.is_dir():
        raise SpecError(str(path), "is a folder; name the specification file in it")
    text = _text(path)
    data = _json(path, text) if path.suffix.lower() == ".json" else read_yaml(text, str(path))
    if not isinstance(data, dict):
        given = "nothing" if data is None else quote(data)
        raise SpecError(
            str(path), f"a specification is a mapping that begins with keys like name: and data:, not {given}"
        )
    return data


def override(data: dict[str, Any], text: str) -> None:
    """Set a value in `data` from text of the form `key.path=value`.

    The value is parsed as YAML. Items of lists are `key[0]` or `key.0`.

    Args:
        data: the content of a specification file; modified in place.
        text: `key.path=value`.

    Raises:
        SpecError: the text has another form, or a part of the path does not exist.
    """
    path, equals, value = text.partition("=")
    keys = [key for key in re.split(r"[.\[\]]+", path.strip()) if key]
    if not equals or not keys:
        raise SpecError("--set", f"{text!r} must have the form key.path=value, as in training.epochs=20")
    target: Any = data
    for i, key in enumerate(keys[:-1]):
        target = _step(target, key, ".".join(keys[:i]), create=True)
    parent, last = ".".join(keys[:-1]), keys[-1]
    parsed = read_yaml(value, f"--set {path.strip()}")
    if isinstance(target, list):
        _step(target, last, parent)
        target[int(last)] = parsed
    elif isinstance(target, dict):
        target[last] = parsed
    else:
        _step(target, last, parent)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except FileNotFoundError:
        raise SpecError(str(path), _describe_missing_file(path)) from None
    except OSError as error:
        raise SpecError(str(path), f"can't be read: {error.strerror}") from error
    except ValueError as error:  # the name has a NUL
        raise SpecError(repr(str(path)), f"can't be read: {error}") from error
    if len(content) > LONGEST:
        raise SpecError(str(path), f"has more than {LONGEST:,} bytes; a specification is a small YAML or JSON file")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SpecError(str(path), "is text in UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(str(path), "is not text in UTF-8; a specification is a YAML or JSON file") from None


def _step(target: Any, key: str, path: str, *, create: bool = False) -> Any:
    if isinstance(target, list):
        if not key.isdecimal() or int(key) >= len(target):
            raise SpecError(f"--set {path}.{key}", f"{path} is a list of {len(target)}; items count from 0")
        return target[int(key)]
    if not isinstance(target, dict):
        raise SpecError(f"--set {path}.{key}", f"{path} is {quote(target)}, which has no keys; set {path} as a whole")
    if create and target.get(key) is None:
        target[key] = {}
    return target[key]


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise SpecError(str(path), f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise SpecError(str(path), "is nested too deeply; write it flatter") from error
    except ValueError as error:
        raise SpecError(str(path), str(error)) from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"the key {key!r} is given twice")
        data[key] = value
    return data


def _describe_missing_file(path: Path) -> str:
    folder = path.parent
    names = sorted(p.name for end in ("*.yaml", "*.yml", "*.json") for p in folder.glob(end)) if folder.is_dir() else []
    return f"there is no such file; {suggestion(path.name, names, 'there are')}" if names else "there is no such file"
