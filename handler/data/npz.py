"""Reader of NumPy archives (.npz) in bounded memory; a damaged archive raises a one-sentence error."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from handler.errors import DataError
from handler.memory import require_room

Header = tuple[tuple[int, ...], np.dtype]
"""Shape and dtype of an array."""


def read_headers(path: Path, where: str) -> dict[str, Header]:
    """Return the shapes and dtypes of an archive's arrays, from their headers.

    Args:
        path: the file.
        where: the field that named it, for messages.

    Raises:
        DataError: the file is no archive of arrays, or a header contradicts the size of its array.
    """
    headers = {}
    with _readable(path, where), zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
                size = member.file_size - file.tell()
            name = member.filename.removesuffix(".npy")
            if not dtype.hasobject and size != math.prod(shape) * dtype.itemsize:  # guard: npz-size-in-header
                raise ValueError(f"{name} says shape {shape} of {dtype} and has {size} bytes")
            headers[name] = (shape, dtype)
    return headers


def read_arrays(path: Path, where: str) -> dict[str, np.ndarray]:
    """Return the arrays of an archive, by name.

    Args:
        path: the file.
        where: the field that named it, for messages.

    Raises:
        DataError: the archive is damaged, holds objects, or is larger than memory.
    """
    headers = read_headers(path, where)
    require_room(where, str(path), sum(math.prod(shape) * dtype.itemsize for shape, dtype in headers.values()))
    with _readable(path, where), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in headers}


@contextmanager
def _readable(path: Path, where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damage raises exceptions of zlib, struct, zipfile, tokenize and NumPy
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            where, f"{path} can't be read as .npz ({said}); give a whole file of plain arrays, written by numpy.savez"
        ) from error
