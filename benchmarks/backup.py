"""Cost of backing X up, and of restoring it in place.

    python -m benchmarks.backup

It writes, syncs and reads back about 1 GB of receptive fields into the same array. Frostline (content-addressed, with
checksums; it verifies everything before it touches the array) is compared with one raw file, np.save, h5py, plain zarr
and a copy within memory. A separate process measures the additional memory that Frostline takes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Watch, alternate, answer, row, seconds
from handler.store.atomic_files import sync
from handler.training.data_backup import drop_backup, restore_backup, write_backup

POINTS, WIDTH = 2048, 10
SLAB = 1 << 24


def fields(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return X `(rows, 2048, 10)` float32 and y `(rows,)`."""
    X = np.random.default_rng(0).random((rows, POINTS, WIDTH), np.float32)
    return X, np.arange(rows)


class Ways:
    """The methods that write an array durably and read it back in place."""

    def __init__(self, folder: Path, X: np.ndarray, y: np.ndarray) -> None:
        self.folder, self.X, self.y = folder, X, y
        self.step = max(1, SLAB // X[0].nbytes)
        self.kept: dict[str, Any] = {}

    def raw_write(self, path: Path) -> None:
        with path.open("wb", buffering=0) as file:
            left = memoryview(self.X).cast("B")
            while left:
                left = left[file.write(left[:SLAB]) :]

    def raw_read(self, path: Path) -> None:
        with path.open("rb", buffering=0) as file:
            left = memoryview(self.X).cast("B")
            while left:
                left = left[file.readinto(left[:SLAB]) :]

    def npy_write(self, path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, self.X)

    def npy_read(self, path: Path) -> None:
        self.X[...] = np.load(path, mmap_mode="r")

    def h5_write(self, path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            file["X"] = self.X

    def h5_read(self, path: Path) -> None:
        import h5py

        with h5py.File(path, "r") as file:
            file["X"].read_direct(self.X)

    def zarr_write(self, path: Path) -> None:
        import zarr

        chunks = (self.step, *self.X.shape[1:])
        stored = zarr.create_array(path, shape=self.X.shape, chunks=chunks, dtype=self.X.dtype, compressors=None)
        for start in range(0, len(self.X), self.step):
            stored[start : start + self.step] = self.X[start : start + self.step]

    def zarr_read(self, path: Path) -> None:
        import zarr

        stored = zarr.open_array(path, mode="r")
        for start in range(0, len(self.X), self.step):
            self.X[start : start + self.step] = stored[start : start + self.step]

    def writers(self) -> dict[str, Callable[[], float]]:
        """Return the writers by name; each returns its seconds and leaves its file for the reader."""
        peers = {"raw file": self.raw_write, "np.save": self.npy_write, "h5py": self.h5_write, "zarr": self.zarr_write}

        def by(name: str, write: Callable[[Path], None]) -> Callable[[], float]:
            def durable() -> float:
                path = self.folder / name.replace(" ", "-")
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                os.sync()  # earlier writes must not be synced during this measurement

                def all_of_it() -> None:
                    write(path)
                    for file in path.rglob("*") if path.is_dir() else [path]:
                        sync(file)
                    sync(path.parent)

                return seconds(all_of_it)

            return durable

        return {"Frostline": self.frostline_write} | {name: by(name, write) for name, write in peers.items()}

    def readers(self) -> dict[str, Callable[[], object]]:
        """Return the readers by name; each reads its file into X."""
        peers = {"raw file": self.raw_read, "np.save": self.npy_read, "h5py": self.h5_read, "zarr": self.zarr_read}

        def by(name: str, read: Callable[[Path], None]) -> Callable[[], None]:
            return lambda: read(self.folder / name.replace(" ", "-"))

        found: dict[str, Callable[[], object]] = {name: by(name, read) for name, read in peers.items()}
        other = self.X.copy()
        found["memcpy, no file"] = lambda: np.copyto(self.X, other)
        return {"Frostline": lambda: restore_backup(self.kept["path"], self.X, self.y)} | found

    def frostline_write(self) -> float:
        if self.kept:
            drop_backup(self.kept.pop("path"))
        os.sync()
        return seconds(lambda: self.kept.update(path=write_backup(self.folder / "ours", self.X, self.y)))


def memory(rows: int) -> dict[str, float]:
    """Return the memory that a backup and a restore add to this process at their peak, in MB.

    It counts anonymous and mapped pages.
    """
    X, y = fields(rows)
    with tempfile.TemporaryDirectory(prefix="frostline-bench-") as folder:
        small = write_backup(Path(folder), X[:8], y[:8])  # performs the imports
        restore_backup(small, X[:8], y[:8])
        found = {}
        path = None
        for name in ("write", "restore"):
            with Watch() as watch:
                if path is None:
                    path = write_backup(Path(folder), X, y)
                else:
                    restore_backup(path, X, y)
            found[name] = watch.most
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What does it cost to back X up, and to restore it in place?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=12000)
    parser.add_argument("--memory", action="store_true", help="only measure the memory, in a process of its own")
    options = parser.parse_args()
    if options.memory:
        print(*(f"{value:.0f}" for value in memory(options.rows).values()))
        return
    X, y = fields(options.rows)
    folder = Path(tempfile.mkdtemp(prefix="frostline-bench-"))
    try:
        ways = Ways(folder, X, y)
        writes = alternate(ways.writers(), options.rounds)
        before = X[:: len(X) // 7].copy()
        reads = alternate(ways.readers(), options.rounds)
        assert np.array_equal(X[:: len(X) // 7], before)
    finally:
        shutil.rmtree(folder)
    again = [sys.executable, "-m", "benchmarks.backup", "--memory", "--rows", str(options.rows)]
    extra = subprocess.run(again, capture_output=True, text=True, check=True).stdout.split()
    lines = []
    for what, times in (("write, durable", writes), ("restore in place", reads)):
        for name, values in times.items():
            ours = name == "Frostline"
            said = f"{X.nbytes / 1e9:.2f} GB, {what}: {name}"
            lines.append(
                row(said, values, beside=times["raw file"] if ours else None, peer="a raw file" if ours else "")
            )
    answer(
        "What does it cost to back X up, and to restore it in place?",
        lines,
        f"seconds; writes are synced, reads come from the page cache; Frostline's write takes {extra[0]} MB of "
        f"additional memory and its restore {extra[1]} MB; it verifies every checksum before it changes X, the "
        "others verify none",
    )


if __name__ == "__main__":
    main()
