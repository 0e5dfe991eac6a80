"""Arrays of any dtype as zarr v3 arrays of raw bytes, written and read slab by slab along the first axis.

Raw bytes keep every dtype exact (booleans, strings, structured, bfloat16), and a chunk can be read in one contiguous
read.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from handler.store.atomic_files import parallel_map
from handler.store.raw_zarr import CHUNK_BYTES, Chunks, even


def slabs(array: Any, limit: int = CHUNK_BYTES) -> Iterator[tuple[int, int]]:
    """Yield the row range `(start, end)` of each slab of an array.

    Args:
        array: has `shape` and `dtype`.
        limit: the largest size of a slab in bytes. A slab has at least one row, and at least one chunk if the array has
            `chunks`; it then consists of whole chunks.
    """
    row = array.dtype.itemsize * math.prod(array.shape[1:])
    rows = even(array.shape[0], max(1, limit // max(1, row)))
    chunk = array.chunks[0] if getattr(array, "chunks", None) else 1
    rows = max(1, rows // chunk) * chunk
    for start in range(0, array.shape[0], rows):
        yield start, min(start + rows, array.shape[0])


def count_bytes(array: Any) -> int:
    """Return the size of an array in bytes, also for array-likes without `nbytes`."""
    return int(np.dtype(array.dtype).itemsize * math.prod(array.shape))


# See docs/decisions/0011-arrays-stored-as-bytes.md.
def write_array(path: Path, array: np.ndarray) -> dict[str, str]:
    """Write an array and return the digest of each file written, for the manifest; see `Chunks.digests`.

    At most two slabs are copied in memory at a time, and none if the array is contiguous.

    Args:
        path: the directory of the zarr array.
        array: any dtype except object, at least one axis.
    """
    chunks = Chunks.create(path, (array.shape[0], array.dtype.itemsize * math.prod(array.shape[1:])))

    def write(span: tuple[int, int]) -> None:
        chunks.write(span[0], as_bytes(array[span[0] : span[1]]))

    parallel_map(write, chunks.spans())
    return chunks.digests


Look = Callable[[int, np.ndarray], None]


def copy_array(
    path: Path, array: Any, after: Callable[[int], None], look: Look | None = None
) -> tuple[dict[str, str], str]:
    """Write an array that may be larger than memory, slab by slab.

    Args:
        path: the directory of the zarr array.
        array: supports slices along its first axis; any dtype except object.
        after: called after each slab with the slab's size in bytes.
        look: called with the first row and the values of each slab; may raise.

    Returns:
        The digest of each file written, as `write_array` returns them, and the digest of the array, as `content`
        returns it.
    """
    chunks = Chunks.create(path, (array.shape[0], array.dtype.itemsize * math.prod(array.shape[1:])))
    whole = xxhash.xxh3_128()
    for start, end in slabs(array):
        slab = np.asarray(array[start:end])
        if look is not None:
            look(start, slab)
        part = as_bytes(slab)
        whole.update(part.data)
        chunks.append(part)
        after(part.size)
    return chunks.digests, whole.hexdigest()


def read_array(path: Path, description: dict[str, Any], out: np.ndarray | None = None) -> np.ndarray:
    """Read an array that `write_array` wrote, slab by slab, and return it.

    Args:
        path: the directory of the zarr array.
        description: the array's dtype and shape, as `describe` returned them.
        out: an array of that dtype and shape, with any strides, to read into; by default a new array.

    Raises:
        DamagedError: a file is missing or broken.
        StoreError: a file cannot be read, although it may be intact.
    """
    dtype, shape = parse_dtype(description["dtype"]), tuple(description["shape"])
    array = np.empty(shape, dtype) if out is None else out
    chunks = Chunks.open(path)

    def read(span: tuple[int, int]) -> None:
        part = array[span[0] : span[1]]
        if part.flags.c_contiguous:
            chunks.read(span[0], part)
        else:
            slab = np.empty(part.shape, dtype)
            chunks.read(span[0], slab)
            part[...] = slab

    parallel_map(read, chunks.spans())
    return array


def describe(array: Any) -> dict[str, Any]:
    """Return an array's dtype and shape as JSON."""
    return {"dtype": dtype_text(np.dtype(array.dtype)), "shape": list(array.shape)}


def content(array: Any, look: Look | None = None) -> str:
    """Return the xxh3-128 digest of an array's bytes in C order, read slab by slab, without its dtype and shape.

    An array with a known digest (`xxh3`) is not read, unless `look` is given and has not yet seen its values
    (`looked_at`).

    Args:
        array: supports slices along its first axis.
        look: called with the first row and the values of each slab.
    """
    known = getattr(array, "xxh3", None)
    if known is not None and (look is None or getattr(array, "looked_at", False)):
        return str(known)
    state = xxhash.xxh3_128()
    for start, end in slabs(array):
        slab = np.asarray(array[start:end])
        if look is not None:
            look(start, slab)
        state.update(as_bytes(slab).data)
    return state.hexdigest()


def as_bytes(array: np.ndarray) -> np.ndarray:
    """Return an array's bytes in C order, `(bytes,)` uint8: a view if the array is contiguous."""
    whole = np.ascontiguousarray(array)
    return whole.reshape(-1).view(np.uint8) if whole.size and whole.itemsize else np.empty(0, np.uint8)


def dtype_text(dtype: np.dtype) -> Any:
    """Return a dtype as JSON: its code with the byte order, the name of an `ml_dtypes` dtype, or the list of fields."""
    if dtype.names:
        return json.loads(json.dumps(np.lib.format.dtype_to_descr(dtype)))
    return dtype.name if dtype.kind == "V" else dtype.str


def parse_dtype(text: Any) -> np.dtype:
    """Return the dtype that `dtype_text` described."""
    if isinstance(text, list):
        fields: Any = [tuple(tuple(part) if isinstance(part, list) else part for part in field) for field in text]
        return np.lib.format.descr_to_dtype(fields)
    if text[0] in "<>|=":
        return np.dtype(text)
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, text))
