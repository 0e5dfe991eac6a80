"""Runs native readers in a separate process, so that a damaged file can end only that process.

lazrs and HDF5 abort the process, or never return, on some damaged files. Here their run time and memory are bounded.
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from handler.data import reader_program
from handler.data.las_header import LasHeader

PATIENCE = 60.0  # timeout of a reader in seconds, for an empty file
SLOWEST = 4e6  # bytes per second: the timeout grows by size / SLOWEST
OVERHEAD = 4 << 30  # bytes of address space of the libraries and their threads


class ReaderFailed(ValueError):
    """The reason why a reader could not read a file."""


def decompress_points(path: Path, header: LasHeader) -> np.ndarray:
    """Return the points of a .laz file in the layout of a .las file: (points * point_size,) uint8.

    Args:
        path: the file.
        header: its checked header.

    Raises:
        ReaderFailed: the file is damaged, or the reader ended early or took too long.
    """
    count, point_size = header.points, header.point_size
    points = np.empty(count * point_size, np.uint8)

    def take(stream: IO[bytes]) -> None:
        view, done = points.data, 0
        while done < len(view) and (got := stream.readinto(view[done:])):  # type: ignore[attr-defined]
            done += got
        if done < len(view):
            raise ReaderFailed(f"{done // point_size} of {count} points can be read")

    how = [str(header.start), str(count), str(point_size), header.compression.hex()]
    _run(["laz", str(path.absolute()), *how], points.nbytes, take)
    return points


def check_hdf5(path: Path) -> None:
    """Read every array of an HDF5 or .keras file and discard it.

    Raises:
        ReaderFailed: the file is damaged, or the reader took too long.
    """
    _run(["hdf5", str(path.absolute())], path.stat().st_size, lambda stream: None)


# See docs/decisions/0046-native-readers-in-a-process-of-their-own.md.
def _run(arguments: list[str], size: int, take: Callable[[IO[bytes]], None]) -> None:
    command = [sys.executable, "-P", reader_program.__file__, str(OVERHEAD + 4 * size), *arguments]
    seconds, late = PATIENCE + size / SLOWEST, threading.Event()
    # A separate session: Ctrl-C reaches only the command, which ends the reader itself.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )

    def end() -> None:
        late.set()
        process.kill()  # guard: endless-reader-killed

    said: list[bytes] = []
    timer = threading.Timer(seconds, end)
    listener = threading.Thread(target=_listen, args=(process, said), daemon=True)
    short: ReaderFailed | None = None
    try:
        timer.start()
        listener.start()
        take(process.stdout)  # type: ignore[arg-type]
    except ReaderFailed as error:
        short = error
    except BaseException:
        process.kill()
        raise
    finally:
        process.stdout.close()  # type: ignore[union-attr]
        code = process.wait()
        timer.cancel()
        listener.join()
        process.stderr.close()  # type: ignore[union-attr]
    if late.is_set():
        raise ReaderFailed(f"it can't be read within {seconds:.0f} s")
    if code < 0:  # guard: aborted-reader-named
        raise ReaderFailed(f"its reader ended with signal {-code}")
    if code:
        raise ReaderFailed((b"".join(said).decode(errors="replace").splitlines() or ["its reader failed"])[-1][:300])
    if short is not None:
        raise short


def _listen(process: subprocess.Popen[bytes], said: list[bytes]) -> None:
    said.append(process.stderr.read())  # type: ignore[union-attr]
