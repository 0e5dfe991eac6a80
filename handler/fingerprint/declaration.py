"""The declaration that a training's first key hashes: everything declared that decides the result.

Files and code enter by their digests. Not in it: names and paths, the number of epochs, the frozen layers of each
epoch (they enter the later keys), threads, in_place, loggers.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xxhash

from handler.data.source_forms import CLOUDS, classify_source
from handler.errors import SpecError, StoreError
from handler.errors.quoting import join
from handler.spec.compilation import fill_defaults
from handler.spec.initial_weights import WeightsInto, parse_weights
from handler.spec.training_spec import TrainingSpec
from handler.store.atomic_files import files_within, write_file
from handler.store.checksums import digest_file, read_checked, with_checksum
from handler.store.runs import RunStore
from handler.user_code.modules import check_reference, is_reference
from handler.user_code.source_digest import code_digest, definitions
from handler.validation.text import check_folder_name

FORMAT = 1
DIGESTS = "digests.json"
SETTLED = 2 * 10**9  # nanoseconds; a file changed more recently may change again without a change of its timestamps


class FileDigests:
    """Digests of files, stored by path, size, times and inode in `<store>/digests.json`.

    The time of the last status change (ctime) cannot be set by a program, unlike the modification time (`cp -p`,
    `touch -r`), so changed content is noticed.

    Args:
        store: the store's folder; None stores no digests beyond this object.

    Attributes:
        files: digest -> the file that it belongs to, as it can be found from the specification's folder.
        modules: digest of code -> the module that it belongs to.
        known: absolute path -> size, two times in nanoseconds, inode and digest of the file.
    """

    def __init__(self, store: Path | None) -> None:
        self.store = store
        self.files: dict[str, str] = {}
        self.modules: dict[str, str] = {}
        self.known: dict[str, list[Any]] = {}
        if store is not None:
            with contextlib.suppress(StoreError):  # the file is only a cache: without it, files are read again
                self.known = read_checked(store / DIGESTS).get("known", {})
        self._stored = dict(self.known)

    def of(self, path: Path) -> str:
        """Return the xxh3-128 of a file's content, or of the relative names and digests of a folder's files, in hex.

        Raises:
            SpecError: the file can't be read.
        """
        path = path.resolve()
        check_folder_name(path, "")
        if path.is_dir():
            return self.of_all({file.relative_to(path).as_posix(): file for file in files_within(path)})
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            known = self.known.get(str(path))
            if known and known[:-1] == stamp:  # guard: digest-remembered-with-inode
                return str(known[-1])
            digest = digest_file(path)
        except OSError as error:
            raise SpecError("", f"{path} can't be read: {error.strerror}") from error
        # A ctime before the mtime is no status-change time: some file systems report the creation time there.
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        if status.st_ctime_ns >= status.st_mtime_ns and time.time_ns() - changed > SETTLED:
            self.known[str(path)] = [*stamp, digest]
        return digest

    def of_all(self, files: Mapping[str, Path]) -> str:
        """Return the xxh3-128 over the names and the digests of files, in hex."""
        whole = xxhash.xxh3_128()
        for name, file in files.items():
            whole.update(f"{name}\0{self.of(file)}\0".encode())
        return whole.hexdigest()

    def content(self, file: Path, folder: Path) -> str:
        """Return the digest of a declared file, and keep the file's name in `files`."""
        digest = self.of(file)
        self.files.setdefault(digest, file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file))
        return digest

    def sources(self, folder: Path) -> dict[str, Any]:
        """Return digest -> source for a declaration: a file's name, or a module's files with their definitions."""
        return self.files | {digest: definitions(module, folder) for digest, module in self.modules.items()}

    def save(self) -> None:
        """Write new digests to the store's folder, if it exists and can be written to."""
        if self.known == self._stored or self.store is None or not self.store.is_dir():
            return
        with contextlib.suppress(StoreError):  # a read-only store
            write_file(self.store / DIGESTS, with_checksum({"format": 1, "known": self.known}))
        self._stored = dict(self.known)


def build_declaration(spec: TrainingSpec, folder: Path, digests: FileDigests, *, own: bool = False) -> dict[str, Any]:
    """Return the declaration of a training as plain JSON-able data.

    Args:
        spec: the specification.
        folder: the folder in which its modules and relative paths are looked up.
        digests: the digests of files; its store is the one in which `run:NAME` weights are looked up.
        own: whether the network's own function compiled it; then its code determines what the specification omits.

    Raises:
        SpecError: a file, function or run does not exist.
    """
    replaced = _CodeDigests(folder, digests).replaced
    compiled = _compilation(spec, replaced, own=own)
    result = {
        "format": FORMAT,
        "seed": spec.seed,
        "batch_size": spec.training.batch_size,
        **({} if spec.training.strategy is None else {"strategy": spec.training.strategy.model_dump(mode="json")}),
        "data": {
            "source": _source(spec, "source", folder, digests, replaced),
            "validation": _source(spec, "validation", folder, digests, replaced),
            "args": replaced(spec.data.args, "data.args"),
            "version": spec.data.version,
            # Only where it is given, so that specifications without it keep the key they had before the field existed.
            **({"files": _files(spec.data.files, folder, digests)} if spec.data.files else {}),
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
            if callback.rule.affects_training
        ],
    }
    digests.save()
    return result


class _CodeDigests:
    """Replaces references to the user's functions by the digests of their code, and keeps the module of each digest."""

    def __init__(self, folder: Path, digests: FileDigests) -> None:
        self._folder, self._digests = folder, digests
        self._code: dict[Path, str] = {}

    def replaced(self, value: Any, path: str, *, expected: bool = False) -> Any:
        """Return a value in which references are replaced.

        Args:
            value: a value of the specification.
            path: its path in the specification.
            expected: whether the value itself, or its `name`, `learning_rate` or `schedule`, must be a reference if it
                has the form of one; otherwise text that only looks like a reference stays as it is.

        Raises:
            SpecError: a reference names no function.
        """
        if isinstance(value, Mapping):
            inner = {"name", "learning_rate", "schedule"} if expected else set()
            return {key: self.replaced(part, join(path, key), expected=key in inner) for key, part in value.items()}
        if isinstance(value, list):
            return [self.replaced(part, f"{path}[{i}]") for i, part in enumerate(value)]
        if not is_reference(value):
            return value
        try:
            file = check_reference(value, self._folder, path)
        except SpecError:
            if expected:
                raise
            return value  # text among the arguments that only looks like a reference
        if file not in self._code:
            self._code[file] = code_digest(value.split(":")[0], self._folder, path)
            self._digests.modules[self._code[file]] = value.split(":")[0]
        return {"function": value.split(":")[1], "code": self._code[file]}


def _compilation(spec: TrainingSpec, replaced: Callable[..., Any], *, own: bool) -> dict[str, Any]:
    """Return `model.compile` with references replaced; with defaults unless the network's own function compiled it."""
    compiled = spec.model.compile.model_dump(mode="json")
    compiled = compiled if own else fill_defaults(compiled)
    for key in ("optimizer", "loss"):
        compiled[key] = replaced(compiled[key], f"model.compile.{key}", expected=True)
    if compiled["metrics"] is not None:
        compiled["metrics"] = [
            replaced(metric, f"model.compile.metrics[{i}]", expected=True)
            for i, metric in enumerate(compiled["metrics"])
        ]
    return compiled


def pretrained_state(weights: str, store: Path | None) -> str:
    """Return the key of the state that `run:NAME` or `run:NAME@EPOCH` refers to.

    Raises:
        SpecError: there is no such run, it isn't complete, or it has no such epoch.
    """
    name, at, epoch = weights.removeprefix("run:").partition("@")
    if store is None:
        raise SpecError("model.weights", f"{weights!r} needs a store to look the run up in; give a file")
    try:
        record = RunStore(store / "runs").read(name)
    except SpecError as error:
        raise SpecError("model.weights", f"{weights!r}: {error.message}") from error
    if at:
        if int(epoch) >= len(record.chain):
            what = f"{weights!r}: the run has no epoch {epoch}; give 0 to {len(record.chain) - 1}"
            raise SpecError("model.weights", what)
        return record.chain[int(epoch)]
    if record.status != "completed" or record.state is None:
        what = f"{weights!r}: the run is {record.status}, not completed"
        raise SpecError("model.weights", f"{what}; finish it or name an epoch, as in run:{name}@{record.epochs}")
    return record.state


def _weights(weights: str | WeightsInto | None, folder: Path, digests: FileDigests) -> Any:
    if weights is None:
        return None
    source, into = parse_weights(weights)
    place = {"into": into} if into else {}
    if source.startswith("run:"):
        return {"state": pretrained_state(source, digests.store), **_final(source, digests.store), **place}
    file = folder / source
    if not file.is_file():
        raise SpecError("model.weights", f"there is no file {file}")
    return {"content": digests.content(file, folder), **place}


def _final(source: str, store: Path | None) -> dict[str, str | None]:
    """Return the digest of a run's final model if that differs from its last state (EMA weights, best weights)."""
    if "@" in source or store is None:
        return {}
    record = RunStore(store / "runs").read(source.removeprefix("run:"))
    return {"weights": record.weights} if record.model_differs else {}  # guard: final-model-key


def _files(patterns: list[str], folder: Path, digests: FileDigests) -> list[str]:
    """Return one digest per pattern, over the names and contents of the files that match it."""
    from handler.data.globs import files_named

    file_digests = []
    for i, pattern in enumerate(patterns):
        files = files_named(pattern, folder, f"data.files[{i}]")
        file_digests.append(digests.of_all(files))  # guard: data-files-in-key
        digests.files.setdefault(file_digests[-1], f"{pattern} ({len(files)} files)")
    return file_digests


def _source(spec: TrainingSpec, which: str, folder: Path, digests: FileDigests, replaced: Any) -> Any:
    """Return a source by its content: the digests of its files, in the order in which they are listed."""
    value = getattr(spec.data, which)
    if value is None:
        return None
    if classify_source(value) in ("synthetic", "function"):
        return replaced(value, f"data.{which}", expected=True)
    if isinstance(value, str) and classify_source(value) == "zarr":
        return {"content": [digests.content(folder / value, folder)]}
    from handler.data.las import scale_of_file
    from handler.data.sources import files

    listed = [
        file
        for item in (value if isinstance(value, list) else [value])
        for file in files(spec.data.model_copy(update={"source": item, "validation": None}), folder)
    ]
    scales = [list(scale_of_file(file, f"data.{which}")) for file in listed if file.suffix.lower() in CLOUDS]
    return {
        "content": [digests.content(file, folder) for file in listed],
        # Files in metres add no entry, so that they keep the key they had before units were converted.
        **({"metres": scales} if any(scale != [1.0, 1.0] for scale in scales) else {}),  # guard: unit-declared
    }
