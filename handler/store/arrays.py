"""Arrays of any dtype as zarr v3 arrays of raw bytes, written and read slab by slab along the first axis.

Bytes keep every dtype exact (booleans, strings, structured, bfloat16) and let one chunk be one contiguous read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError, StoreError
from handler.store.files import unreadable

CHUNK_BYTES = 1 << 24


def create_bytes(path: Path, shape: tuple[int, ...], chunk_rows: int) -> Any:
    """A new zarr array of bytes, chunked along the first axis only.

    Nothing is compressed (float weights don't shrink) and nothing is scanned for fill values (13x slower).
    """
    import zarr

    chunks = (max(1, chunk_rows), *(max(1, length) for length in shape[1:]))
    return zarr.create_array(
        store=path,
        shape=shape,
        chunks=chunks,
        dtype="uint8",
        compressors=None,
        fill_value=0,
        config={"write_empty_chunks": True},
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Any]:
    """An array of `create_bytes`, opened for reading; whatever zarr makes of a broken one becomes DamagedError.

    Raises:
        DamagedError: it is gone or broken. StoreError: it can't be read, though it may be intact.
    """
    import zarr

    try:
        yield zarr.open_array(path, mode="r")
    except (StoreError, MemoryError):
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:
        raise DamagedError(f"{path}: can't be read ({type(error).__name__}: {error})") from error


def read_bytes(path: Path) -> np.ndarray:
    """All of a one-dimensional array of `create_bytes`. Raises as `reading`."""
    with reading(path) as stored:
        return np.asarray(stored[:])


def slabs(array: Any, limit: int = CHUNK_BYTES) -> Iterator[tuple[int, int]]:
    """Row ranges of an array, each of at most `limit` bytes (at least one row)."""
    rows = _rows_per_slab(array.shape, array.dtype.itemsize, limit)
    for start in range(0, array.shape[0], rows):
        yield start, min(start + rows, array.shape[0])


def write_array(path: Path, array: np.ndarray) -> dict[str, Any]:
    """Writes an array slab by slab; returns the description `read_array` needs (dtype, shape)."""
    row_bytes = array.dtype.itemsize * int(np.prod(array.shape[1:], dtype=np.int64))
    stored = create_bytes(path, (array.shape[0], row_bytes), _rows_per_slab(array.shape, array.dtype.itemsize))
    for start, end in slabs(array):
        stored[start:end] = _as_bytes(array[start:end], row_bytes)
    return {"dtype": dtype_text(array.dtype), "shape": list(array.shape)}


def read_array(path: Path, description: dict[str, Any], out: np.ndarray | None = None) -> np.ndarray:
    """Reads what `write_array` wrote, slab by slab, into `out` (any strides) or a new array. Raises as `reading`."""
    dtype, shape = dtype_of(description["dtype"]), tuple(description["shape"])
    array = np.empty(shape, dtype) if out is None else out
    with reading(path) as stored:
        for start, end in slabs(array):
            array[start:end] = stored[start:end].view(dtype).reshape((end - start, *shape[1:]))
    return array


def dtype_text(dtype: np.dtype) -> Any:
    """A dtype as JSON: its code with the byte order, the name of one of `ml_dtypes`, or the list of fields."""
    if dtype.names:
        return json.loads(json.dumps(np.lib.format.dtype_to_descr(dtype)))
    return dtype.name if dtype.kind == "V" else dtype.str


def dtype_of(text: Any) -> np.dtype:
    """The dtype that `dtype_text` described."""
    if isinstance(text, list):
        fields: Any = [tuple(tuple(part) if isinstance(part, list) else part for part in field) for field in text]
        return np.lib.format.descr_to_dtype(fields)
    if text[0] in "<>|=":
        return np.dtype(text)
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, text))


def _rows_per_slab(shape: tuple[int, ...], itemsize: int, limit: int = CHUNK_BYTES) -> int:
    row = itemsize * int(np.prod(shape[1:], dtype=np.int64))
    return even_chunk(shape[0], max(1, limit // max(1, row)))


def even_chunk(length: int, limit: int) -> int:
    """The chunk, at most `limit`, that cuts a length into equal parts: zarr fills the last one up to full size."""
    parts = max(1, -(-length // limit))
    return max(1, -(-length // parts))


def _as_bytes(slab: np.ndarray, row_bytes: int) -> np.ndarray:
    return np.frombuffer(np.ascontiguousarray(slab).tobytes(), np.uint8).reshape(len(slab), row_bytes)
