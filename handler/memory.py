"""Memory limits: how much a copy may take, and one clear error when memory runs out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from handler.errors import DataError, ResourcesError


@contextmanager
def enough_memory(doing: str) -> Iterator[None]:
    """Raise `ResourcesError`, which names the activity and a remedy, in place of an out-of-memory error."""
    try:
        yield
    except Exception as error:
        # TensorFlow's error is ResourceExhaustedError; compared by name, so that TensorFlow isn't imported for it.
        # guard: out-of-memory-explained
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        said = " ".join(str(error).partition("\n")[0].split())[:200]
        what = f"{doing} ran out of memory{f' ({said})' if said else ''}"
        raise ResourcesError(f"{what}; reduce training.batch_size, the network or the data") from error


def copy_limit() -> int:
    """Return the bytes that a copy of the data made only for speed may take: an eighth of the machine's memory."""
    return machine_memory() // 8


def require_room(where: str, what: str, size: int) -> None:
    """Raise `DataError` for data whose declared size is larger than this machine's memory, before they are read.

    Args:
        where: the field that names the data.
        what: a description of the data, for the message.
        size: bytes that they take in memory.
    """
    memory = machine_memory()
    if size > memory:
        sizes = f"{what} takes {size / 1e9:.1f} GB in memory, this machine has {memory / 1e9:.1f} GB"
        raise DataError(where, f"{sizes}; give less data, or a .zarr group, which is read in parts")


def machine_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
