"""Zarr v3 arrays of raw bytes, with the chunk files written and read directly.

An array is cut into chunks along its first axis only. zarr writes the description and reads the arrays like any
others. Bytes that pass through zarr are copied on the way, which takes half the time of a backup; therefore this
module copies between the chunk files and the caller's arrays itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from handler.errors import DamagedError
from handler.store.atomic_files import unreadable

CHUNK_BYTES = 1 << 24


class Chunks:
    """The chunks of one array, `(rows, ...)` of uint8.

    Args:
        path: the directory of the array.
        shape: the shape of the array.
        chunk_rows: the number of rows in a chunk.

    Attributes:
        width: bytes per row.
        digests: the xxh3-128 digest of each chunk written, by the chunk's path relative to the parent of the array's
            directory, as a manifest lists it.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], chunk_rows: int) -> None:
        self.path, self.rows, self.width, self.chunk_rows = path, shape[0], math.prod(shape[1:]), chunk_rows
        self._inner = "".join("/0" for _ in shape[1:])
        self.digests: dict[str, str] = {}
        self._waiting: list[np.ndarray] = []
        self._appended = 0  # bytes

    @classmethod
    def create(cls, path: Path, shape: tuple[int, ...], limit: int = CHUNK_BYTES) -> Chunks:
        """Create an array, in chunks of equal size of at most `limit` bytes (at least one row).

        The chunks are not compressed, because float weights do not shrink.
        """
        import zarr

        chunk_rows = even(shape[0], max(1, limit // max(1, math.prod(shape[1:]))))
        chunks = (chunk_rows, *(max(1, length) for length in shape[1:]))
        zarr.create_array(
            store=path,
            shape=shape,
            chunks=chunks,
            dtype="uint8",
            compressors=None,
            fill_value=0,
            config={"write_empty_chunks": True},
        )
        return cls(path, shape, chunk_rows)

    @classmethod
    def open(cls, path: Path) -> Chunks:
        """Open an array that `create` made.

        Raises:
            DamagedError: the array's description is missing or broken.
            StoreError: the description cannot be read, although it may be intact.
        """
        import zarr

        try:
            stored: Any = zarr.open_array(path, mode="r")
            return cls(path, stored.shape, stored.chunks[0])
        except MemoryError:  # guard: memory-error-is-no-damage
            raise
        except OSError as error:
            raise unreadable(path, error) from error
        except Exception as error:
            raise DamagedError(f"{path}: can't be read ({type(error).__name__}: {error})") from error

    def spans(self) -> Iterator[tuple[int, int]]:
        """Yield the row range `(start, end)` of each chunk; nothing if a row has no bytes."""
        if self.width:
            for start in range(0, self.rows, self.chunk_rows):
                yield start, min(start + self.chunk_rows, self.rows)

    def write(self, row: int, *parts: Any) -> None:
        """Write the chunk that contains a row, padded with zeros to its full size as zarr requires.

        Args:
            row: a row of the chunk.
            parts: contiguous buffers that together hold all rows of the chunk.
        """
        file, state = self._file(row), xxhash.xxh3_128()
        file.parent.mkdir(parents=True, exist_ok=True)
        missing = self.chunk_rows * self.width - sum(memoryview(part).nbytes for part in parts)
        with file.open("wb") as opened:
            for part in (*parts, bytes(missing)):
                opened.write(part)
                state.update(part)
        self.digests[file.relative_to(self.path.parent).as_posix()] = state.hexdigest()

    # See docs/decisions/0037-chunk-files-are-written-from-the-array.md.
    def append(self, part: np.ndarray) -> None:
        """Append rows to those appended before.

        A chunk is written as soon as it is full, and the last one as soon as all rows are there.

        Args:
            part: whole rows as contiguous uint8. It must not be modified afterwards, because it may be written later.
        """
        left, full = part.reshape(-1), self.chunk_rows * self.width
        while left.size:
            taken = left[: full - self._appended % full]
            left = left[taken.size :]
            self._waiting.append(taken)
            self._appended += taken.size
            if self._appended % full == 0 or self._appended == self.rows * self.width:
                self.write((self._appended - 1) // self.width, *self._waiting)
                self._waiting = []

    def read(self, start: int, out: np.ndarray) -> None:
        """Read the rows from `start` on into a buffer.

        Args:
            start: the first row.
            out: C-contiguous, of any dtype; its size in bytes, a multiple of the row width, gives the number of rows.

        Raises:
            DamagedError: a chunk is missing or too short.
            StoreError: a chunk cannot be read, although it may be intact.
        """
        left = out.reshape(-1).view(np.uint8).data
        while left:
            file, first = self._file(start), start % self.chunk_rows
            part = left[: (self.chunk_rows - first) * self.width]
            try:
                descriptor = os.open(file, os.O_RDONLY)
                try:
                    count = _fill(descriptor, part, first * self.width)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise unreadable(file, error) from error
            if count < len(part):  # guard: chunk-ends-early
                raise DamagedError(f"{file}: has only {first * self.width + count} bytes")
            start, left = start + len(part) // self.width, left[len(part) :]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return the given rows, in any order, as `(len(rows), width)` uint8.

        Consecutive rows are read in one call of `read`. Raises the errors of `read`.
        """
        out = np.empty((len(rows), self.width), np.uint8)
        if self.width and len(rows):
            cuts = np.flatnonzero(np.diff(rows) != 1) + 1
            for begin, end in zip((0, *cuts.tolist()), (*cuts.tolist(), len(rows)), strict=True):
                self.read(int(rows[begin]), out[begin:end])
        return out

    def _file(self, row: int) -> Path:
        return self.path / f"c/{row // self.chunk_rows}{self._inner}"


def even(length: int, limit: int) -> int:
    """Return the chunk length of at most `limit` that cuts `length` into equal parts.

    The last part may be shorter; its chunk is padded to the full size.
    """
    parts = max(1, -(-length // limit))
    return max(1, -(-length // parts))


def _fill(descriptor: int, out: memoryview, offset: int) -> int:
    """Fill a buffer from an offset in a file, and return the number of bytes read."""
    done = 0
    while done < len(out):
        count = os.preadv(descriptor, [out[done:]], offset + done)
        if count == 0:
            break
        done += count
    return done
