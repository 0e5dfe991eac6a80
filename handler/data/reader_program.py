"""Program that reads a file with a native library, which may abort or hang on a damaged file.

    python -P reader_program.py MEMORY laz FILE START POINTS POINT_SIZE RECORD    writes the points, decompressed
    python -P reader_program.py MEMORY hdf5 FILE    reads every array of an HDF5 file, or of those in a .keras file

The program imports nothing of Frostline and no module that is slow to import. On a failure it writes one line to
standard error and exits with 1.
"""

import sys
from pathlib import Path
from typing import Any

PIECE = 200_000  # points decompressed at once


def read_laz(path: str, start: int, points: int, point_size: int, record: bytes) -> None:
    """Write the points of a .laz file to standard output, in the layout of a .las file.

    Args:
        path: the file.
        start: offset of the points, bytes.
        points: number of points.
        point_size: bytes of a point.
        record: the LASzip record, which describes the compression.
    """
    import lazrs

    with Path(path).open("rb") as file:
        file.seek(start)
        in_chunks = record[0] != 1
        reader = (lazrs.ParLasZipDecompressor if in_chunks else lazrs.LasZipDecompressor)(file, record)
        for begin in range(0, points, PIECE):
            piece = bytearray(min(PIECE, points - begin) * point_size)
            reader.decompress_many(piece)
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def read_hdf5(path: str) -> None:
    """Read every array and attribute of an HDF5 file, or of the HDF5 files in a .keras file."""
    import io
    import zipfile

    import h5py

    def read(_: str, part: Any) -> None:
        dict(part.attrs)
        if isinstance(part, h5py.Dataset):
            part[()]

    def read_all(source: Any) -> None:
        with h5py.File(source, "r") as file:
            file.visititems(read)

    if not path.endswith(".keras"):
        read_all(path)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".h5"):
                read_all(io.BytesIO(archive.read(name)))


def main(memory: int, kind: str, path: str, *rest: str) -> int:
    """Read one file within `memory` bytes of address space and return the exit code."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # other systems do not enforce this limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        if kind == "laz":
            read_laz(path, int(rest[0]), int(rest[1]), int(rest[2]), bytes.fromhex(rest[3]))
        else:
            read_hdf5(path)
    except BaseException as error:  # a panic of lazrs is not a subclass of Exception
        sys.stderr.write(" ".join(f"{type(error).__name__}: {error}".split()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
