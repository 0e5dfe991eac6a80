"""Data sources, recognised by the form of their name:

synthetic            a seeded scene                       .npz    X (or X0, X1, ...) and y
.las, .laz           a path, a list of paths, a glob      .zarr   a group with X (or X0, ...) and y, read lazily
module:function      returns (X, y) or (X, y, X_val, y_val); module is looked up in the specification's folder
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from handler.data import arrays, field_dataset, las
from handler.data.arguments import CloudArguments, parse_arguments
from handler.data.dataset import Dataset, DataShape
from handler.data.features import ALL_FEATURES, select_dimensions
from handler.data.globs import matches
from handler.data.source_forms import classify_source, is_cloud
from handler.errors import DataError
from handler.errors.quoting import quote, suggestion
from handler.store.atomic_files import files_within
from handler.store.prefit_cache import PrefitCache
from handler.user_code.boundary import call
from handler.user_code.random_seeds import seed_for
from handler.validation.text import is_glob

if TYPE_CHECKING:
    from handler.data.data_spec import DataSpec


class CalledFunction:
    """The result of the last data function that `shape` called, until `load` takes it.

    A process has one, because the objects that call `shape` and `load` do not know each other.
    """

    by_call: ClassVar[dict[str, Dataset]] = {}


def load(data: DataSpec, folder: Path, seed: int, cache: PrefitCache | None = None) -> Dataset:
    """Load the data of a specification.

    Args:
        data: the `data` section.
        folder: the folder that relative paths and modules are relative to.
        seed: the seed of the receptive fields, and of a data function's draws from generators that it does not seed.
        cache: the store's `prefit/`; receptive fields are read from it if they were drawn before.

    Raises:
        DataError: a source can't be read or is of no known form.
        SpecError: the arguments are not valid.
        UserCodeError: a function failed.
    """
    if data.validation is not None and is_cloud(data.validation) != is_cloud(data.source):
        raise DataError("data.validation", f"{quote(data.validation)} is not the same kind of data as data.source")
    if is_cloud(data.source):
        of_clouds = _cloud_arguments(data)
        check_clouds(data, folder)
        clouds = {where: _clouds(source, of_clouds, folder, where) for where, source in data.sources()}
        return field_dataset.load_clouds(clouds["data.source"], clouds.get("data.validation"), of_clouds, seed, cache)
    dataset = _array_data(str(data.source), data.args, folder, "data.source", seed)
    if data.validation is not None:
        args = {} if ":" in str(data.validation) else data.args
        held_out = _array_data(str(data.validation), args, folder, "data.validation", seed)
        dataset.validation = (held_out.X, held_out.y)
    return dataset


def shape(data: DataSpec, folder: Path, seed: int = 0) -> DataShape:
    """Return the properties of the data that the arguments or the files' headers give, without loading the data.

    The shape of a data function is known only after calling it. The result is stored for the `load` that follows.

    Args:
        data: the `data` section.
        folder: the folder that relative paths and modules are relative to.
        seed: the seed of a data function's draws from generators that it does not seed.

    Raises:
        DataError: a source can't be read.
        UserCodeError: a function failed.
    """
    form, source = classify_source(data.source), str(data.source)
    if form in ("synthetic", "cloud"):
        return field_dataset.cloud_shape(_cloud_arguments(data))
    if form == "function":
        key = _call_key(source, data.args, folder, "data.source", seed)
        if key not in CalledFunction.by_call:
            CalledFunction.by_call.clear()
            CalledFunction.by_call[key] = _array_data(source, data.args, folder, "data.source", seed)
        return arrays.read_shape(CalledFunction.by_call[key])
    read: Callable[[Path, dict[str, Any]], DataShape] = arrays.npz_shape if form == "npz" else arrays.zarr_shape
    return read(_existing(source, folder, "data.source"), data.args)


def check_clouds(data: DataSpec, folder: Path) -> None:
    """Raise for clouds that cannot be read or lack a dimension that is a feature. Reads the files' headers only.

    Args:
        data: the `data` section.
        folder: the folder that relative paths are relative to.

    Raises:
        DataError: a file is missing or damaged, its coordinates are degrees, or it lacks a dimension.
        SpecError: the arguments are not valid.
    """
    args = _cloud_arguments(data)
    paths: list[Path] = []
    for where, source in data.sources():
        if classify_source(source) == "cloud":
            listed = _cloud_files(source, folder, where)
            for path in listed:
                las.scale_of_file(path, where)
            paths += listed
    las.check_dimensions(paths, args.features, "data.source")


def returned(data: DataSpec, folder: Path, seed: int) -> Dataset | None:
    """Return the result of the data function that `shape` called in this process.

    Args:
        data, folder, seed: as for `shape`.

    Returns:
        The dataset, or None if `shape` did not call the function or `load` has taken the result.
    """
    if isinstance(data.source, list):
        return None
    return CalledFunction.by_call.get(_call_key(data.source, data.args, folder, "data.source", seed))


def files(data: DataSpec, folder: Path) -> list[Path]:
    """Return the files whose content the training depends on, sorted; a zarr group gives all its files.

    Args:
        data: the `data` section.
        folder: the folder that relative paths are relative to.

    Raises:
        DataError: a file is missing or a glob matches nothing.
    """
    paths: set[Path] = set()
    for where, source in data.sources():
        form = classify_source(source)
        if form == "cloud":
            paths.update(_cloud_files(source, folder, where))
        elif form == "npz":
            paths.add(_existing(str(source), folder, where))
        elif form == "zarr":
            paths.update(files_within(_existing(str(source), folder, where)))
    return sorted(paths)


def _cloud_arguments(data: DataSpec) -> CloudArguments:
    args = parse_arguments(CloudArguments, data.args)
    unknown = next(iter(select_dimensions(args.features)), None)
    if unknown is not None and "synthetic" in (data.source, data.validation):
        would_do = suggestion(unknown, ALL_FEATURES, "there are", len(ALL_FEATURES))
        raise DataError("data.args.features", f"there is no feature {unknown!r}; {would_do}")
    return args


def _clouds(source: str | list[str], args: CloudArguments, folder: Path, where: str) -> field_dataset.CloudSource:
    if source == "synthetic":
        return field_dataset.scene_source(args.scene, shift=0 if where == "data.source" else 1)
    return field_dataset.file_source(_cloud_files(source, folder, where), where, args.features)


def _cloud_files(source: str | list[str], folder: Path, where: str) -> list[Path]:
    paths: list[Path] = []
    for pattern in [source] if isinstance(source, str) else source:
        if (folder / pattern).exists() or not is_glob(pattern):
            paths.append(_existing(pattern, folder, where))
            continue
        matching = matches(pattern, folder, where)
        if not matching:
            raise DataError(
                where, f"{pattern!r} matches no file in {folder}; give a pattern that matches .las or .laz files"
            )
        paths += matching
    return sorted(set(paths))


def _existing(source: str, folder: Path, where: str) -> Path:
    path = folder / source
    if not path.exists():
        raise DataError(
            where, f"no file {path}; give a path that exists, relative to the specification's folder or absolute"
        )
    return path


def _array_data(source: str, args: dict[str, Any], folder: Path, where: str, seed: int) -> Dataset:
    form = classify_source(source)
    if form == "function":
        from handler.user_code.importer import resolve_function

        kept = CalledFunction.by_call.pop(_call_key(source, args, folder, where, seed), None)
        if kept is not None:
            return kept
        function = resolve_function(source, folder, where)
        at = "data.args" if where == "data.source" else where
        returned = call(function, source, args, folder, where, at=at, seed=seed_for(seed, where))
        return arrays.from_call(returned, source, where)
    read = arrays.load_npz if form == "npz" else arrays.load_zarr
    return read(_existing(source, folder, where), args, where)


def _call_key(source: str, args: dict[str, Any], folder: Path, where: str, seed: int) -> str:
    return json.dumps([source, args, str(folder), where, seed], sort_keys=True, default=str)
