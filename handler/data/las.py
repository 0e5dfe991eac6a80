"""Clouds from and to .las and .laz files (laspy with lazrs)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handler.data.cloud import Cloud
from handler.errors import DataError
from handler.memory import require_room
from handler.store.files import replacing

SUFFIXES = (".las", ".laz")


def read_cloud(path: Path, where: str = "data.source") -> Cloud:
    """Reads one .las or .laz file, all its points.

    Args:
        path: the file.
        where: the field that named the file, for messages.

    Raises:
        DataError: the file is missing, is no LAS file or has no points.
    """
    las = _read(path, where)
    if len(las.points) == 0:
        raise DataError(where, f"{path} has no points; give a file that has some")
    return Cloud(
        name=path.name,
        xyz=np.ascontiguousarray(las.xyz, np.float64),
        intensity=np.asarray(las.intensity, np.float32),
        return_number=np.asarray(las.return_number, np.uint8),
        number_of_returns=np.asarray(las.number_of_returns, np.uint8),
        classification=np.asarray(las.classification, np.uint8),
    )


def write_cloud(source: Path, output: Path, codes: np.ndarray) -> None:
    """Writes `source` again with another classification; every point and every other dimension stays as it is.

    Args:
        source: the .las or .laz file that was classified.
        output: the file to write, of the same kind; appears whole or not at all.
        codes: (points,) ASPRS codes, in the order of the source.

    Raises:
        DataError: the output is of another kind, or the codes fit neither the points nor the point format.
        StoreError: the disk refuses.
    """
    if output.suffix.lower() != source.suffix.lower():
        raise DataError("output", f"{output} is of another kind than {source}; end it in {source.suffix}")
    las = _read(source, "input")
    if len(codes) != len(las.points):
        raise DataError(
            "output", f"{len(codes)} classes for the {len(las.points)} points of {source}; give one for each"
        )
    most = 31 if las.header.point_format.id < 6 else 255
    if len(codes) and int(np.max(codes)) > most:
        raise DataError(
            "data.args.classes",
            f"code {int(np.max(codes))} does not fit point format "
            f"{las.header.point_format.id} of {source}, which holds 0 to {most}; map the class to a smaller code",
        )
    las.classification = np.asarray(codes, np.uint8)
    with replacing(output) as beside:
        las.write(beside, do_compress=output.suffix.lower() == ".laz")


def _read(path: Path, where: str) -> Any:
    import laspy

    try:
        with laspy.open(path) as file:
            require_room(where, f"{path} with its {file.header.point_count} points", _size(file.header))
            return file.read()
    except FileNotFoundError:
        raise DataError(where, f"no file {path}; give a .las or .laz file that exists") from None
    except (laspy.LaspyException, OSError, ValueError, RuntimeError) as error:
        raise DataError(
            where, f"{path} can't be read as LAS ({error}); give a whole .las or .laz file"
        ) from error


def _size(header: Any) -> int:
    """Bytes that the points take: as they are in the file, and as `Cloud` has them."""
    return int(header.point_count) * (header.point_format.size + 3 * 8 + 4 + 3)
