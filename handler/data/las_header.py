"""Header of a .las or .laz file, read and checked before a native reader opens the file.

Every length and offset in the header is compared with the size of the file. Later reads can then neither run past the
end of the file nor allocate more memory than the points need.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from handler.errors import DataError

LEAST_SIZES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # minimum bytes of a point, by point format
HEADER_SIZES = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375, 5: 375}  # bytes of a header by minor version
COMPRESSED = 0x80  # flag in the byte of the point format
FARTHEST = 1e9  # coordinates beyond this lie nowhere on Earth, in any unit
LASZIP = ("laszip encoded", 22204)
WKT = 16  # flag in the global encoding


@dataclass(frozen=True)
class Record:
    """One (extended) variable-length record."""

    user: str
    number: int
    data: bytes


@dataclass(frozen=True)
class LasHeader:
    """The checked content of a file's header.

    Attributes:
        points: number of points.
        point_format: 0 to 10.
        point_size: bytes of a point.
        start: offset of the points, bytes.
        compressed: whether the points are compressed, as in a .laz file.
        has_wkt: whether the coordinate reference system is WKT; otherwise it is GeoTIFF keys.
        records: variable-length records; extended records have no content, except WKT.
    """

    points: int
    point_format: int
    point_size: int
    start: int
    compressed: bool
    has_wkt: bool
    records: tuple[Record, ...]

    @property
    def compression(self) -> bytes:
        """Return the record that describes the compression of the points."""
        return next((record.data for record in self.records if (record.user, record.number) == LASZIP), b"")

    @property
    def is_copc(self) -> bool:
        """Return whether the file is cloud-optimised (.copc.laz)."""
        return any(record.user == "copc" for record in self.records)


def read_header(path: Path, where: str) -> LasHeader:
    """Read and check the header of a .las or .laz file and its records.

    Args:
        path: the file.
        where: the field that named it, for messages.

    Raises:
        DataError: the file is missing, is no LAS file, or its header contradicts its size.
    """
    try:
        if not path.is_file():
            raise DataError(where, f"no file {path}; give a .las or .laz file that exists")
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except _Broken as broken:
        raise unreadable(path, where, str(broken)) from None
    except OSError as error:
        raise unreadable(path, where, error.strerror or str(error)) from error


def unreadable(path: Path, where: str, reason: str) -> DataError:
    """Return the error for a damaged file."""
    return DataError(where, f"{path} can't be read as LAS ({reason}); give a whole .las or .laz file")


class _Broken(Exception):
    """The reason why a header is invalid."""


def _read(file: BinaryIO, size: int) -> LasHeader:
    head = file.read(375).ljust(375, b"\0")
    if head[:4] != b"LASF":
        raise _Broken("it doesn't begin with LASF")
    major, minor = head[24], head[25]
    if major != 1 or minor not in HEADER_SIZES:
        raise _Broken(f"version {major}.{minor} isn't supported")
    header_size, start, record_count = struct.unpack_from("<HII", head, 94)
    point_format, (point_size, points) = head[104], struct.unpack_from("<HI", head, 105)
    if not HEADER_SIZES[minor] <= header_size <= start <= size:
        raise _Broken(f"the header has {header_size} bytes, the points begin at {start} and the file ends at {size}")
    records = list(_records(file, header_size, record_count, start, extended=False))
    if minor >= 4:
        first, extended_count = struct.unpack_from("<QI", head, 235)
        points = struct.unpack_from("<Q", head, 247)[0]
        if extended_count:
            if first < start:
                raise _Broken(f"its extended records begin at {first}, before the points")
            records += _records(file, first, extended_count, size, extended=True)
    number = point_format & 0x3F
    if number >= len(LEAST_SIZES) or point_size < LEAST_SIZES[number]:
        raise _Broken(f"points of format {number} don't have {point_size} bytes")
    scales = np.frombuffer(head, "<f8", 12, 131)
    if not np.isfinite(scales[:6]).all() or not scales[:3].all():
        raise _Broken(f"scales {scales[:3].tolist()} and offsets {scales[3:6].tolist()} give no coordinates")
    if np.abs(scales[3:6]).max() > FARTHEST or np.abs(scales[:3]).max() > 1e3:
        raise _Broken(f"scales {scales[:3].tolist()} and offsets {scales[3:6].tolist()} lie nowhere on Earth")
    compressed = bool(point_format & COMPRESSED)
    if compressed:
        _check_compression(records, file, start, size, point_size, points)
    elif points * point_size > size - start:
        raise _Broken(f"it says {points} points, and holds {(size - start) // point_size}")
    has_wkt = bool(struct.unpack_from("<H", head, 6)[0] & WKT)
    return LasHeader(points, number, point_size, start, compressed, has_wkt, tuple(records))


def _records(file: BinaryIO, begin: int, count: int, end: int, *, extended: bool) -> Iterator[Record]:
    kind, length = ("extended record", 60) if extended else ("record", 54)
    if count * length > end - begin:
        raise _Broken(f"{count} {kind}s don't fit between byte {begin} and byte {end}")
    for i in range(count):
        file.seek(begin)
        head = file.read(length).ljust(length, b"\0")
        user = head[2:18].split(b"\0")[0].decode("latin-1")
        number, size = struct.unpack_from("<HQ" if extended else "<HH", head, 18)
        begin += length + size
        if begin > end:  # guard: las-record-within-file
            raise _Broken(f"{kind} {i} ends at byte {begin}, beyond byte {end}")
        # Extended records may be as large as the points (waveforms); only that of the reference system is needed.
        wanted = not extended or (number == 2112 and size <= 1 << 20)
        yield Record(user, number, file.read(size) if wanted else b"")


def _check_compression(
    records: list[Record], file: BinaryIO, start: int, size: int, point_size: int, points: int
) -> None:
    data = next((record.data for record in records if (record.user, record.number) == LASZIP), None)
    if data is None or len(data) < 34:
        raise _Broken("its points are compressed, and no record says how")
    chunk_size, items = struct.unpack_from("<I", data, 12)[0], struct.unpack_from("<H", data, 32)[0]
    if len(data) < 34 + 6 * items:
        raise _Broken(f"its compression record is too short for {items} items")
    if sum(struct.unpack_from("<H", data, 36 + 6 * i)[0] for i in range(items)) != point_size:
        raise _Broken(f"the items of its compression record don't add up to {point_size} bytes")
    if not points or data[0] == 1:  # all points in one stream, no chunks
        return
    file.seek(start)
    table = int.from_bytes(file.read(8), "little", signed=True)
    if table == -1:  # written as a stream, without seeking back: the offset is at the end of the file
        file.seek(max(size - 8, 0))
        table = int.from_bytes(file.read(8), "little", signed=True)
    if not start + 8 <= table <= size - 8:
        raise _Broken(f"its chunk table begins at byte {table}, not between the points and the end at {size}")
    file.seek(table)
    chunks = struct.unpack("<II", file.read(8))[1]
    # A chunk begins with an uncompressed point.
    if chunks * point_size > table - start - 8 or not chunks:
        raise _Broken(f"{chunks} chunks don't fit into its {table - start - 8} bytes of points")
    if chunk_size != 0xFFFFFFFF and not chunk_size * (chunks - 1) < points <= chunk_size * chunks:
        raise _Broken(f"{chunks} chunks of {chunk_size} points don't hold {points}")
