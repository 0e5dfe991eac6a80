"""What a training's first key is made of: all that is declared and decides the result, files and code by their digests.

Not in it: names and paths, how many epochs, what rests when (that enters the later keys), threads, in_place, loggers.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from handler.errors import SpecError
from handler.spec import TrainingSpec, form_of
from handler.specification.code import check_reference
from handler.specification.code_digest import code_digest
from handler.specification.named import is_reference
from handler.specification.refusals import join

FORMAT = 1
ABSENT = "(not there)"
_CHUNK = 1 << 20
_SETTLED = 2 * 10**9  # nanoseconds; a file changed more recently may change again within its clock's tick


class Digests:
    """Digests of files, remembered by path, size and time of change in `<store>/digests.json`.

    Args:
        store: the store's folder; None remembers nothing beyond this object.
    """

    def __init__(self, store: Path | None) -> None:
        self.store = store
        self._known: dict[str, list[Any]] = {}
        self._changed = False
        if store is not None:
            try:
                known = json.loads((store / "digests.json").read_bytes())
                self._known = {
                    path: entry for path, entry in known.items() if isinstance(entry, list) and len(entry) == 3
                }
            except (OSError, ValueError, AttributeError):
                pass  # it is only a memory: without it files are read

    def of(self, path: Path) -> str:
        """The xxh3-128 of a file's content, in hex; of a folder, that of its files' relative names and digests.

        Raises:
            SpecError: the file can't be read.
        """
        path = path.resolve()
        if path.is_dir():
            whole = xxhash.xxh3_128()
            for file in sorted(file for file in path.rglob("*") if file.is_file()):
                whole.update(f"{file.relative_to(path).as_posix()}\0{self.of(file)}\0".encode())
            return whole.hexdigest()
        try:
            status = path.stat()
            known = self._known.get(str(path))
            if known and known[:2] == [status.st_size, status.st_mtime_ns]:
                return str(known[2])
            content = xxhash.xxh3_128()
            with path.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    content.update(chunk)
        except OSError as error:
            raise SpecError("", f"{path} can't be read: {error.strerror}") from error
        if time.time_ns() - status.st_mtime_ns > _SETTLED:
            self._known[str(path)] = [status.st_size, status.st_mtime_ns, content.hexdigest()]
            self._changed = True
        return content.hexdigest()

    def save(self) -> None:
        """Writes what was learnt, if there is a store to write it to; a store that isn't there isn't made for it."""
        if not self._changed or self.store is None or not self.store.is_dir():
            return
        from handler.store.sealed import write_file

        write_file(self.store / "digests.json", json.dumps(self._known, sort_keys=True).encode())
        self._changed = False


def declared(spec: TrainingSpec, folder: Path, digests: Digests) -> dict[str, Any]:
    """What decides a training, as plain JSON-able data.

    Args:
        spec: the specification.
        folder: where its modules and relative paths are looked up.
        digests: remembers the digests of files; its store is where `run:NAME` weights are looked up.

    Raises:
        SpecError: a file, function or run isn't there.
    """
    code: dict[Path, str] = {}

    def replaced(value: Any, path: str, *, expected: bool = False) -> Any:
        """The value, references to the user's functions replaced by the digests of their code."""
        if isinstance(value, Mapping):
            inner = {"name", "learning_rate", "schedule"} if expected else set()
            return {key: replaced(part, join(path, key), expected=key in inner) for key, part in value.items()}
        if isinstance(value, list):
            return [replaced(part, f"{path}[{i}]") for i, part in enumerate(value)]
        if not is_reference(value):
            return value
        try:
            file = check_reference(value, folder, path)
        except SpecError:
            if expected:
                raise
            return value  # text among the arguments that only looks like a reference
        if file not in code:
            code[file] = code_digest(value.split(":")[0], folder, path)
        return {"function": value.split(":")[1], "code": code[file]}

    compiled = spec.model.compile.model_dump(mode="json")
    for key in ("optimizer", "loss"):
        compiled[key] = replaced(compiled[key], f"model.compile.{key}", expected=True)
    compiled["metrics"] = [
        replaced(metric, f"model.compile.metrics[{i}]", expected=True) for i, metric in enumerate(compiled["metrics"])
    ]
    result = {
        "format": FORMAT,
        "seed": spec.seed,
        "batch_size": spec.training.batch_size,
        "data": {
            "source": _source(spec, "source", folder, digests, replaced),
            "validation": _source(spec, "validation", folder, digests, replaced),
            "args": replaced(spec.data.args, "data.args"),
            "version": spec.data.version,
        },
        "model": {
            "architecture": replaced(
                spec.model.architecture, "model.architecture", expected=is_reference(spec.model.architecture)
            ),
            "args": replaced(spec.model.args, "model.args"),
            "weights": _weights(spec.model.weights, folder, digests),
            "compile": compiled,
        },
        "callbacks": [
            replaced({"name": callback.name, **callback.arguments()}, f"training.callbacks[{i}]", expected=True)
            for i, callback in enumerate(spec.training.callbacks)
            if callback.steers
        ],
    }
    digests.save()
    return result


def initial_key(declared: Mapping[str, Any]) -> str:
    """key[0]: the first 32 hex digits of the sha256 of canonical JSON."""
    text = json.dumps(declared, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def first_difference(a: Any, b: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Where two declarations first differ: `(dotted path, value in a, value in b)`; None where they are equal.

    What only one of them has is `"(not there)"` in the other.
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(key for key in b if key not in a)]:
            found = first_difference(a.get(key, ABSENT), b.get(key, ABSENT), join(path, str(key)))
            if found:
                return found
        return None
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        for i in range(max(len(a), len(b))):
            found = first_difference(a[i] if i < len(a) else ABSENT, b[i] if i < len(b) else ABSENT, f"{path}[{i}]")
            if found:
                return found
        return None
    return None if type(a) is type(b) and a == b else (path, a, b)


def pretrained_state(weights: str, store: Path | None) -> str:
    """The key of the state that `run:NAME` or `run:NAME@EPOCH` stands for.

    Raises:
        SpecError: there is no such run, it isn't complete, or it has no such epoch.
    """
    from handler.store.runs import RunStore

    name, at, epoch = weights.removeprefix("run:").partition("@")
    if store is None:
        raise SpecError("model.weights", f"{weights!r} needs a store to look the run up in; give a file")
    try:
        record = RunStore(store / "runs").read(name)
    except SpecError as error:
        raise SpecError("model.weights", f"{weights!r}: {error.message}") from error
    if at:
        if int(epoch) >= len(record.chain):
            raise SpecError("model.weights", f"{weights!r}: the run has the epochs 0 to {len(record.chain) - 1}")
        return record.chain[int(epoch)]
    if record.status != "completed" or record.state is None:
        raise SpecError(
            "model.weights",
            f"{weights!r}: the run is {record.status}, not completed; finish it or name an epoch, "
            f"as in run:{name}@{record.epochs}",
        )
    return record.state


def _weights(weights: str | None, folder: Path, digests: Digests) -> Any:
    if weights is None:
        return None
    if weights.startswith("run:"):
        return {"state": pretrained_state(weights, digests.store)}
    file = folder / weights
    if not file.is_file():
        raise SpecError("model.weights", f"there is no file {file}")
    return {"content": digests.of(file)}


def _source(spec: TrainingSpec, which: str, folder: Path, digests: Digests, replaced: Any) -> Any:
    """A source by its content: the files' digests, in the order in which they are listed."""
    value = getattr(spec.data, which)
    if value is None:
        return None
    if not isinstance(value, list) and form_of(value) in ("synthetic", "function"):
        return replaced(value, f"data.{which}", expected=True)
    if isinstance(value, str) and form_of(value) == "zarr":
        return {"content": [digests.of(folder / value)]}
    from handler.data import files

    return {
        "content": [
            digests.of(file)
            for item in (value if isinstance(value, list) else [value])
            for file in files(spec.data.model_copy(update={"source": item, "validation": None}), folder)
        ]
    }
