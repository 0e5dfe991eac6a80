"""Reads a specification's text: YAML 1.1 without its traps, or JSON. Plain data out, every fault with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from handler.errors import SpecError
from handler.specification.refusals import shown, suggestion


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads `1e-3` as a number and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)


# PyYAML follows YAML 1.1, in which 1e-3 is text; everybody who writes a learning rate means the number.
_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
                         |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
                         |\.[0-9_]+(?:[eE][-+][0-9]+)?
                         |[-+]?\.(?:inf|Inf|INF)
                         |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def read_mapping(path: Path) -> dict[str, Any]:
    """What a specification file says.

    Raises:
        SpecError: it isn't there, can't be read, or isn't YAML (or JSON, by its name); names the line.
    """
    if path.is_dir():
        raise SpecError(str(path), "is a folder; name the specification file in it")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(str(path), _there_is(path)) from None
    except UnicodeDecodeError:
        raise SpecError(str(path), "is not text; a specification is a YAML or JSON file") from None
    except OSError as error:
        raise SpecError(str(path), f"can't be read: {error.strerror}") from error
    data = _json(path, text) if path.suffix.lower() == ".json" else read_yaml(text, str(path))
    if not isinstance(data, dict):
        given = "nothing" if data is None else shown(data)
        raise SpecError(
            str(path), f"a specification is a mapping that begins with keys like name: and data:, not {given}"
        )
    return data


def read_yaml(text: str, path: str) -> Any:
    """YAML as plain data; `path` says in messages where the text stands.

    Raises:
        SpecError: it isn't YAML; names the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SpecError(path, f"{where}{error.problem or 'this is not YAML'}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(path, f"this is not YAML: {str(error).splitlines()[0]}") from error


def override(data: dict[str, Any], text: str) -> None:
    """Changes `data` as `key.path=value` says, the value as in YAML; items of lists are `key[0]` or `key.0`.

    Raises:
        SpecError: it hasn't that form, or the path leads through something that has no such part.
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


def _step(target: Any, key: str, path: str, *, create: bool = False) -> Any:
    if isinstance(target, list):
        if not key.isdecimal() or int(key) >= len(target):
            raise SpecError(f"--set {path}.{key}", f"{path} is a list of {len(target)}; items count from 0")
        return target[int(key)]
    if not isinstance(target, dict):
        raise SpecError(f"--set {path}.{key}", f"{path} is {shown(target)}, which has no keys; set {path} as a whole")
    if create and target.get(key) is None:
        target[key] = {}
    return target[key]


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise SpecError(str(path), f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except ValueError as error:
        raise SpecError(str(path), str(error)) from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"the key {key!r} is given twice")
        data[key] = value
    return data


def _there_is(path: Path) -> str:
    folder = path.parent
    there = sorted(p.name for end in ("*.yaml", "*.yml", "*.json") for p in folder.glob(end)) if folder.is_dir() else []
    return f"there is no such file; {suggestion(path.name, there, 'there are')}" if there else "there is no such file"
