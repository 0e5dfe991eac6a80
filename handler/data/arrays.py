"""Data sources of plain arrays: .npz files, .zarr groups (read lazily) and functions of the user."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handler.data.arguments import ArrayArguments, parse_arguments
from handler.data.array_conversion import as_array
from handler.data.dataset import Dataset, DataShape
from handler.data.finite_check import check_finite
from handler.data.npz import read_arrays, read_headers
from handler.data.stored_array import StoredArray
from handler.errors import DataError
from handler.memory import require_room
from handler.validation.array_list import list_arrays

Pair = tuple[Any, np.ndarray]


def load_npz(path: Path, args: dict[str, Any], where: str = "data.source") -> Dataset:
    """Load an .npz file: X (or X0, X1, ...) and y; X_val (or X0_val, ...) and y_val if the file has them.

    Args:
        path: the file.
        args: `data.args`, see `ArrayArguments`.
        where: the field of the specification that named the file, for messages.

    Raises:
        DataError: an array is missing, holds objects or does not fit the others, or all are larger than memory.
        SpecError: `args` are not valid.
    """
    options = parse_arguments(ArrayArguments, args)
    members = read_arrays(path, where)
    return _dataset(_named(members, path, where), options, path.name, where)


def load_zarr(path: Path, args: dict[str, Any], where: str = "data.source") -> Dataset:
    """Open a zarr group, with the same array names as an .npz file. The arrays stay zarr arrays, read slice by slice.

    Args:
        path: the folder of the group.
        args: `data.args`, see `ArrayArguments`.
        where: the field of the specification that named the group, for messages.

    Raises:
        DataError: the path is no zarr group, an array is missing or does not fit the others, or a chunk or the targets
            are larger than memory.
        SpecError: `args` are not valid.
    """
    options = parse_arguments(ArrayArguments, args)
    members = _zarr_members(path, where)
    for name, array in members.items():
        require_room(where, f"a chunk of {name} in {path}", math.prod(array.chunks) * array.dtype.itemsize)
        if name.startswith("y"):
            require_room(where, f"{name} in {path}", array.nbytes)
    return _dataset(_named(members, path, where), options, path.name, where)


def from_call(result: Any, reference: str, where: str = "data.source") -> Dataset:
    """Check the return value of a data function and convert it to a dataset.

    Args:
        result: (X, y) or (X, y, X_val, y_val); X and X_val are an array or a list of arrays.
        reference: the function as the specification names it (`module:function`), for messages.
        where: the field of the specification that named the function.

    Raises:
        DataError: the value has another form, or the arrays do not fit each other.
    """
    if not isinstance(result, tuple) or len(result) not in (2, 4):
        kind = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
        raise DataError(where, f"{reference} returned {kind}; return (X, y) or (X, y, X_val, y_val)")
    values: list[Any] = []
    for name, value in zip(("X", "y", "X_val", "y_val"), result, strict=False):
        several = isinstance(value, list | tuple) and name.startswith("X")
        parts = [
            as_array(part, f"{name}{f'[{i}]' if several else ''} of {reference}", where)
            for i, part in enumerate(value if several else [value])
        ]
        values.append(parts if several else parts[0])
    pairs = [(values[0], values[1]), *([(values[2], values[3])] if len(values) == 4 else [])]
    return _dataset(pairs, ArrayArguments(), reference, where)


def npz_shape(path: Path, args: dict[str, Any], where: str = "data.source") -> DataShape:
    """Return the shapes of an .npz file from the headers of its members, without reading an array.

    Args:
        path, args, where: see `load_npz`.

    Raises:
        DataError: the file is damaged or has no X.
        SpecError: `args` are not valid.
    """
    options = parse_arguments(ArrayArguments, args)
    headers = read_headers(path, where)
    return _shape([headers[name] for name in input_names(headers, path, where)], options)


def zarr_shape(path: Path, args: dict[str, Any], where: str = "data.source") -> DataShape:
    """Return the shapes of a zarr group from its metadata.

    Args:
        path, args, where: see `load_zarr`.

    Raises:
        DataError: the path is no zarr group, or the group has no X.
        SpecError: `args` are not valid.
    """
    options = parse_arguments(ArrayArguments, args)
    members = _zarr_members(path, where)
    return _shape([(members[name].shape, members[name].dtype) for name in input_names(members, path, where)], options)


def read_shape(dataset: Dataset) -> DataShape:
    """Return the shape of a dataset that is loaded already."""
    options = ArrayArguments(ignore_label=dataset.ignore_label)
    return _shape([(part.shape, part.dtype) for part in dataset.X], options)


def check_pair(X: Any, y: Any, where: str, what: str) -> None:
    """Raise `DataError` for inputs and targets that cannot be trained on.

    Args:
        X: an array or a list of arrays.
        y: the targets.
        where: the field of the specification that named the data.
        what: the name of the data in messages.

    Raises:
        DataError: an array has objects for values or no axis, the lengths differ, there are no examples, or a target is
            not finite. The message names the array and the problem.
    """
    parts = list_arrays(X)
    if not parts:
        raise DataError(where, f"X of {what} is an empty list; give one array or more")
    named = [*((f"X[{i}]" if len(parts) > 1 else "X", part) for i, part in enumerate(parts)), ("y", y)]
    for name, part in named:
        if part.dtype.kind not in "fiub":
            raise DataError(where, f"{name} of {what} has dtype {part.dtype}; numbers are needed")
        if not part.shape:
            raise DataError(where, f"{name} of {what} is a single number; its first axis must be the examples")
    for name, part in named:
        if part.shape[0] != y.shape[0]:
            raise DataError(
                where, f"{name} of {what} has {part.shape[0]} examples and y has {y.shape[0]}; give one target for each"
            )
    if not y.shape[0]:
        raise DataError(where, f"{what} has no examples; give one or more")
    check_finite(y, f"y of {what}", where)


def _dataset(pairs: Sequence[Pair], options: ArrayArguments, name: str, where: str) -> Dataset:
    for (X, y), what in zip(pairs, (name, f"the validation of {name}"), strict=False):
        check_pair(X, y, where, what)
    X, y = pairs[0]
    return Dataset(
        X,
        y,
        validation=pairs[1] if len(pairs) > 1 else None,
        class_names=tuple(options.class_names) if options.class_names else None,
        ignore_label=options.ignore_label,
        sources=[{"name": name, "examples": y.shape[0]}],
    )


def _shape(parts: Sequence[tuple[tuple[int, ...], Any]], options: ArrayArguments) -> DataShape:
    names = tuple(options.class_names) if options.class_names else None
    return DataShape(
        tuple((tuple(shape[1:]), str(dtype)) for shape, dtype in parts),
        len(names) if names else None,
        names,
        options.ignore_label,
    )


def input_names(members: Any, path: Path, where: str, suffix: str = "") -> list[str]:
    """Return the names of the input arrays among the members: X, or X0, X1, ... without a gap.

    Args:
        members: the names of the file's arrays.
        path, where: the file and the field that named it, for messages.
        suffix: `_val` for the inputs of the validation.

    Raises:
        DataError: there is no input array; the message lists the members.
    """
    if f"X{suffix}" in members:
        return [f"X{suffix}"]
    names: list[str] = []
    while f"X{len(names)}{suffix}" in members:
        names.append(f"X{len(names)}{suffix}")
    if not names:
        raise DataError(
            where,
            f"{path} has no X{suffix} (or X0{suffix}, X1{suffix}, ...); it has: {', '.join(members) or 'nothing'}",
        )
    return names


def _named(members: Any, path: Path, where: str) -> list[Pair]:
    pairs = []
    for suffix in ("", "_val"):
        if suffix and f"y{suffix}" not in members and not any(name.endswith(suffix) for name in members):
            break
        inputs = [members[name] for name in input_names(members, path, where, suffix)]
        if f"y{suffix}" not in members:
            raise DataError(where, f"{path} has no y{suffix}; it has: {', '.join(members)}")
        pairs.append((inputs if len(inputs) > 1 else inputs[0], members[f"y{suffix}"]))
    return pairs


def _zarr_members(path: Path, where: str) -> dict[str, Any]:
    import zarr

    try:
        members = dict(sorted(zarr.open_group(path, mode="r").arrays()))
    except Exception as error:  # damaged metadata can raise any exception
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(where, f"{path} can't be read as a zarr group ({said}); give a group with X and y") from error
    return {name: StoredArray(array, name, path, where) for name, array in members.items()}
