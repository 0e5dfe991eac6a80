"""Zarr v3 arrays of raw bytes whose chunks, along the first axis only, are plain files: written from and read into the
arrays themselves.

zarr makes the description and reads them as any other; bytes that go through it are copied on the way, which takes half
the time of a backup.
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
from handler.store.files import unreadable

CHUNK_BYTES = 1 << 24


class Chunks:
    """The chunks of one array, `(rows, ...)` of uint8.

    Args:
        path: the array's directory.
        shape: of the array.
        chunk_rows: rows in a chunk.

    Attributes:
        width: bytes in a row.
        digests: xxh3-128 of each chunk written, by its path below the array's directory's parent, as a seal lists it.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], chunk_rows: int) -> None:
        self.path, self.rows, self.width, self.chunk_rows = path, shape[0], math.prod(shape[1:]), chunk_rows
        self._inner = "".join("/0" for _ in shape[1:])
        self.digests: dict[str, str] = {}
        self._waiting: list[np.ndarray] = []
        self._appended = 0  # bytes

    @classmethod
    def create(cls, path: Path, shape: tuple[int, ...], limit: int = CHUNK_BYTES) -> Chunks:
        """A new array, in even chunks of at most `limit` bytes (at least one row).

        Nothing is compressed: float weights don't shrink.
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
        """An array that `create` made.

        Raises:
            DamagedError: it is gone or broken. StoreError: it can't be read, though it may be intact.
        """
        import zarr

        try:
            stored: Any = zarr.open_array(path, mode="r")
            return cls(path, stored.shape, stored.chunks[0])
        except MemoryError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error
        except Exception as error:
            raise DamagedError(f"{path}: can't be read ({type(error).__name__}: {error})") from error

    def spans(self) -> Iterator[tuple[int, int]]:
        """The rows of each chunk; none where a row has no bytes."""
        if self.width:
            for start in range(0, self.rows, self.chunk_rows):
                yield start, min(start + self.chunk_rows, self.rows)

    def write(self, row: int, *parts: Any) -> None:
        """Writes the chunk that a row is in, filled up with zeros to its full size, as zarr has it.

        Args:
            row: a row of it.
            parts: contiguous buffers, together all rows of the chunk.
        """
        file, state = self._file(row), xxhash.xxh3_128()
        file.parent.mkdir(parents=True, exist_ok=True)
        missing = self.chunk_rows * self.width - sum(memoryview(part).nbytes for part in parts)
        with file.open("wb") as opened:
            for part in (*parts, bytes(missing)):
                opened.write(part)
                state.update(part)
        self.digests[file.relative_to(self.path.parent).as_posix()] = state.hexdigest()

    def append(self, part: np.ndarray) -> None:
        """Writes rows behind those that were appended before, as soon as a chunk is full or the last one is there.

        Args:
            part: contiguous uint8, whole rows; not to be changed afterwards.
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
        """Reads rows from `start` on.

        Args:
            start: the first row.
            out: C-contiguous, of any dtype; as many bytes as are wanted, whole rows.

        Raises:
            DamagedError: a chunk is gone or too short. StoreError: it can't be read, though it may be intact.
        """
        left = out.reshape(-1).view(np.uint8).data
        while left:
            file, first = self._file(start), start % self.chunk_rows
            part = left[: (self.chunk_rows - first) * self.width]
            try:
                descriptor = os.open(file, os.O_RDONLY)
                try:
                    found = _fill(descriptor, part, first * self.width)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise unreadable(file, error) from error
            if found < len(part):
                raise DamagedError(f"{file}: ends after {first * self.width + found} bytes")
            start, left = start + len(part) // self.width, left[len(part) :]

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Some rows, in any order: `(len(rows), width)` uint8. Neighbours are read at once. Raises as `read`."""
        out = np.empty((len(rows), self.width), np.uint8)
        if self.width and len(rows):
            cuts = np.flatnonzero(np.diff(rows) != 1) + 1
            for begin, end in zip((0, *cuts.tolist()), (*cuts.tolist(), len(rows)), strict=True):
                self.read(int(rows[begin]), out[begin:end])
        return out

    def _file(self, row: int) -> Path:
        return self.path / f"c/{row // self.chunk_rows}{self._inner}"


def even(length: int, limit: int) -> int:
    """The chunk, at most `limit`, that cuts a length into equal parts: the last one is filled up to full size."""
    parts = max(1, -(-length // limit))
    return max(1, -(-length // parts))


def _fill(descriptor: int, out: memoryview, offset: int) -> int:
    """Fills a buffer from a place in a file; how many bytes there were."""
    done = 0
    while done < len(out):
        count = os.preadv(descriptor, [out[done:]], offset + done)
        if count == 0:
            break
        done += count
    return done
