"""Memory: how much a copy may take, and what is said when it runs out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from handler.errors import DataError, ResourcesError


@contextmanager
def enough_memory(doing: str) -> Iterator[None]:
    """Turns Python's and TensorFlow's way of saying that memory ran out into one sentence.

    Args:
        doing: what is being done.

    Raises:
        ResourcesError: memory ran out; says what would do.
    """
    try:
        yield
    except Exception as error:
        # TensorFlow's is called ResourceExhaustedError; it isn't imported just to be asked.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        said = " ".join(str(error).partition("\n")[0].split())[:200]
        raise ResourcesError(
            f"{doing}: memory ran out{f' ({said})' if said else ''}; a smaller training.batch_size or network, or "
            "less data at a time takes less"
        ) from error


def copy_limit() -> int:
    """Bytes that a copy of the data may take for speed alone: an eighth of the machine's memory."""
    return _memory() // 8


def require_room(where: str, what: str, size: int) -> None:
    """Refuses what says of itself that it is larger than this machine's memory, before it is read.

    Args:
        where: the field that named it.
        what: what it is, for the message.
        size: bytes that it takes in memory.

    Raises:
        DataError: it doesn't fit; says how large it is and what would do.
    """
    if size > _memory():
        raise DataError(
            where,
            f"{what} takes {size / 1e9:.1f} GB in memory, this machine has {_memory() / 1e9:.1f} GB; give less at a "
            "time, or a .zarr group, which is read as it is needed",
        )


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
