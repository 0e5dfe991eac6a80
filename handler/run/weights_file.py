"""Reads the variables of `.keras` and `.weights.h5` files by layer. No object of the file is deserialized."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from handler.backend.saved_files import H5IOStore, KerasSaveable, to_snake_case, walk_saveable
from handler.freezing.model_outline import join

VARIABLES, CONFIG = "model.weights.h5", "config.json"
VOCABULARY = "assets/{}/vocabulary.txt"
TABLES = ("StringLookup", "IntegerLookup", "Discretization")


class WeightsFile:
    """An open file of weights.

    A layer has two paths in it. The stored path consists of attributes and class names (`layers/dense_1`). The name
    path consists of layer names (`backbone/head`) and stays the same when another part of the network changes.

    Args:
        store: the open HDF5 store.
        archive: the `.keras` archive; None for a `.weights.h5` file.

    Attributes:
        names: name path -> stored path; name paths that several layers share are left out.
    """

    def __init__(self, store: H5IOStore, archive: zipfile.ZipFile | None) -> None:
        self._store, self._archive = store, archive
        self._config = _read_config(archive)
        self._stored = _stored_paths(store.h5_file)
        labels = _labels(store.h5_file, self._stored) or dict(_configured(self._config, "", ""))
        paths_by_name: dict[str, list[str]] = {}
        for path in self._stored:
            if path in labels:
                paths_by_name.setdefault(labels[path], []).append(path)
        self.names = {name: paths[0] for name, paths in paths_by_name.items() if len(paths) == 1}

    def variables(self, path: str) -> dict[str, np.ndarray]:
        """Return the variables that a layer stored itself, given its stored path; {} if it stored none."""
        entry = self._store.get(path)
        return {str(key): entry[key] for key in entry.keys()}  # noqa: SIM118 (a store, no mapping)

    def table(self, layer: Any, path: str) -> dict[str, Any] | None:
        """Return the table of a lookup layer with a stored path, from its asset file or the configuration, or None."""
        name = VOCABULARY.format(path)
        if self._archive is not None and name in self._archive.namelist():
            lines = self._archive.read(name).decode().splitlines()
            while lines and not lines[-1]:
                lines.pop()
            idf = self.variables(path).get("idf_weights")
            tokens = lines if layer.vocabulary_dtype == "string" else [int(line) for line in lines]
            return {"vocabulary": tokens, "idf": None if idf is None else [float(w) for w in idf[: len(tokens)]]}
        configured = [c for c in _layer_configs(self._config) if c.get("name") == layer.name]
        bins = configured[0].get("bin_boundaries") if len(configured) == 1 else None
        return None if bins is None else {"bin_boundaries": [float(edge) for edge in bins]}


@contextmanager
def open_weights_file(file: Path) -> Iterator[WeightsFile]:
    """Open a `.keras` or `.weights.h5` file.

    Raises:
        OSError, KeyError, ValueError, zipfile.BadZipFile: it can't be read.
    """
    with ExitStack() as stack:
        archive = None if file.name.endswith(".weights.h5") else stack.enter_context(zipfile.ZipFile(file))
        store = H5IOStore(file if archive is None else VARIABLES, archive=archive, mode="r")
        yield WeightsFile(stack.enter_context(closing(store)), archive)


def saveables(root: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield `(stored path, name path, layer)` for a network or layer and each layer in it, as Keras would store them.

    The first item has empty paths.
    """
    import keras

    leave_out = (keras.optimizers.Optimizer, keras.metrics.Metric, keras.losses.Loss)
    seen: set[int] = set()

    def visit(part: Any, path: str, names: str) -> Iterator[tuple[str, str, Any]]:
        if id(part) in seen or isinstance(part, leave_out):
            return
        seen.add(id(part))
        if isinstance(part, keras.layers.Layer):
            yield path, names, part
        for attribute, value in walk_saveable(part):
            for place, child in _children(value, join(path, attribute), set()):
                yield from visit(child, place, _name(names, child))

    return visit(root, "", "")


def _children(value: Any, path: str, within: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield `(stored path, object)` for an attribute's value, or for the objects in its lists, tuples and mappings."""
    if isinstance(value, KerasSaveable):
        yield path, value
        return
    if not isinstance(value, list | dict | tuple) or id(value) in within:
        return
    within.add(id(value))
    used: dict[str, int] = {}
    for part in list(value.values()) if isinstance(value, dict) else value:
        if isinstance(part, KerasSaveable | list | dict | tuple):
            kind = type(part).__name__ if isinstance(part, KerasSaveable) else "container"
            yield from _children(part, join(path, _unique(kind, used)), within)


def _name(names: str, part: Any) -> str:
    name = getattr(part, "name", None)
    return join(names, name) if isinstance(name, str) else names


def _unique(kind: str, used: dict[str, int]) -> str:
    name = to_snake_case(kind)
    used[name] = used.get(name, -1) + 1
    return f"{name}_{used[name]}" if used[name] else name


def _stored_paths(file: Any) -> list[str]:
    """Return the stored paths at which the file has variables or a layer's name."""
    paths = [""] if "vars" in file else []
    file.visit(lambda path: paths.append(path.removesuffix("/vars")) if path.endswith("/vars") else None)
    return paths


def _labels(file: Any, stored: list[str]) -> dict[str, str]:
    """Return stored path -> name path as recorded in the file; {} if an older Keras recorded no names."""
    own = {path: file[join(path, "vars")].attrs.get("name") for path in stored if path}
    if not any(isinstance(name, str) for name in own.values()):
        return {}
    labels = {"": ""}
    for path in own:
        parts = path.split("/")
        names = [own.get("/".join(parts[: i + 1])) for i in range(len(parts))]
        labels[path] = "/".join(name for name in names if isinstance(name, str))
    return labels


def _read_config(archive: zipfile.ZipFile | None) -> Any:
    if archive is None or CONFIG not in archive.namelist():
        return {}
    return json.loads(archive.read(CONFIG))


def _configured(config: Any, path: str, names: str) -> Iterator[tuple[str, str]]:
    """Yield (stored path, name path) from the configuration of a functional or Sequential model, with wrappers."""
    yield path, names
    inside = config.get("config") if isinstance(config, Mapping) else None
    if not isinstance(inside, Mapping):
        return
    used: dict[str, int] = {}
    layers = inside.get("layers") if isinstance(inside.get("layers"), list) else []
    places = [(join(path, f"layers/{_unique(str(layer.get('class_name')), used)}"), layer) for layer in layers or []]
    if isinstance(inside.get("layer"), Mapping):
        places.append((join(path, "layer"), inside["layer"]))
    for place, layer in places:
        yield from _configured(layer, place, join(names, str((layer.get("config") or {}).get("name"))))


def _layer_configs(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the configurations of the lookup layers anywhere in a model's configuration."""
    if isinstance(config, Mapping):
        if config.get("class_name") in TABLES and isinstance(config.get("config"), Mapping):
            yield config["config"]
        for value in config.values():
            yield from _layer_configs(value)
    elif isinstance(config, list):
        for value in config:
            yield from _layer_configs(value)
