"""Native readers in a process of their own: a damaged file ends that process, never the command.

lazrs and HDF5 abort the process, or never return, on some damaged files. What reads them here runs for a bounded time,
in a bounded memory.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from handler.data import reader_program
from handler.data.las_header import LasHeader

PATIENCE = 60.0  # seconds that a reader may take whatever the size
SLOWEST = 4e6  # bytes a second that it must reach beyond
OVERHEAD = 4 << 30  # address space of the libraries and their threads


class ReaderFailed(ValueError):
    """Why a reader could not read a file."""


def decompress_points(path: Path, header: LasHeader) -> np.ndarray:
    """The points of a .laz file as they lie in a .las file: (points * point_size,) uint8.

    Raises:
        ReaderFailed: the file is damaged.
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
    """Reads every array of an HDF5 or .keras file, and forgets it.

    Raises:
        ReaderFailed: the file is damaged.
    """
    _run(["hdf5", str(path.absolute())], path.stat().st_size, lambda stream: None)


def _run(arguments: list[str], size: int, take: Callable[[IO[bytes]], None]) -> None:
    command = [sys.executable, "-P", reader_program.__file__, str(OVERHEAD + 4 * size), *arguments]
    seconds, late = PATIENCE + size / SLOWEST, threading.Event()
    # A session of its own: Ctrl-C is for the command, which ends the reader itself.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )

    def end() -> None:
        late.set()
        process.kill()

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
    if code < 0:
        raise ReaderFailed(f"its reader ended with signal {-code}")
    if code:
        raise ReaderFailed((b"".join(said).decode(errors="replace").splitlines() or ["its reader failed"])[-1][:300])
    if short is not None:
        raise short


def _listen(process: subprocess.Popen[bytes], said: list[bytes]) -> None:
    said.append(process.stderr.read())  # type: ignore[union-attr]
