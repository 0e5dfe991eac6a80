"""Reading and writing of clouds as .las and .laz files (laspy with lazrs)."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from handler.data.cloud import Cloud
from handler.data.features import ALL_FEATURES, select_dimensions
from handler.data.finite_check import check_finite
from handler.data.las_header import FARTHEST, LasHeader, read_header, unreadable
from handler.data.las_units import Scale, read_scale
from handler.data.reader_process import ReaderFailed, decompress_points
from handler.errors import DataError
from handler.memory import require_room
from handler.store.atomic_files import atomic_write

COPC_SUFFIX = ".copc.laz"
_RAW = ("X", "Y", "Z", "classification")  # dimensions that cannot be features: coordinates as integers, and the target


def read_cloud(path: Path, where: str = "data.source", features: Sequence[str] = ()) -> Cloud:
    """Read all points of one .las or .laz file, in metres.

    Args:
        path: the file.
        where: the field that named the file, for messages.
        features: names of features; those that are dimensions of the file are read too.

    Raises:
        DataError: the file is missing, damaged or no LAS file, has no points, lacks a dimension, has a feature that is
            not finite, or its coordinates are in degrees.
    """
    header = read_header(path, where)
    scale = read_scale(header, path, where)
    if header.points == 0:
        raise DataError(where, f"{path} has no points; give a file that has some")
    las = _read(path, header, where)
    _check_dimensions(path, las.header, features, ())
    xyz = _metres(np.ascontiguousarray(las.xyz, np.float64), scale)
    if np.abs(xyz).max() > FARTHEST:
        raise unreadable(path, where, f"coordinates up to {np.abs(xyz).max():.1g} m lie nowhere on Earth")
    return Cloud(
        name=path.name,
        xyz=xyz,
        intensity=np.asarray(las.intensity, np.float32),
        return_number=np.asarray(las.return_number, np.uint8),
        number_of_returns=np.asarray(las.number_of_returns, np.uint8),
        classification=np.asarray(las.classification, np.uint8),
        dimensions={name: _dimension(las, name, path, where) for name in select_dimensions(features)},
    )


def scale_of_file(path: Path, where: str = "data.source") -> Scale:
    """Return the metres of one unit of a file's coordinates, horizontal and vertical; (1, 1) for a file in metres.

    Args:
        path: the file.
        where: the field that named it, for messages.

    Raises:
        DataError: the file is missing, damaged or no LAS file, or its coordinates are in degrees.
    """
    return read_scale(read_header(path, where), path, where)


def check_dimensions(paths: Sequence[Path], features: Sequence[str], where: str) -> None:
    """Raise `DataError` for features that are neither computed nor a dimension of every file. Reads headers only.

    Args:
        paths: the files.
        features: names of features.
        where: the field that named the files, for messages.
    """
    if not select_dimensions(features):
        return
    seen: list[tuple[Path, Any]] = []
    for path in paths:
        header = _laspy_header(path, read_header(path, where), where)
        _check_dimensions(path, header, features, seen)
        seen.append((path, header))


def check_output(source: Path, output: Path, codes: Sequence[int]) -> None:
    """Raise `DataError` for an output of another kind than the source, or codes that its point format can't hold.

    Args:
        source: the .las or .laz file to be classified.
        output: the file to write.
        codes: the ASPRS codes that the points may get.
    """
    if output.name.lower().endswith(COPC_SUFFIX):
        plain = f"{output.name[: -len(COPC_SUFFIX)]}.laz"
        raise DataError(
            "output", f"{output} has the name of a cloud-optimised file, but plain .laz is written; name it {plain}"
        )
    if output.suffix.lower() != source.suffix.lower():
        raise DataError("output", f"{output} has another suffix than {source}; end it in {source.suffix}")
    number = read_header(source, "input").point_format
    most = 31 if number < 6 else 255
    if max(codes, default=0) > most:
        raise DataError(
            "data.args.classes",
            f"code {max(codes)} does not fit point format {number} of {source}, which holds 0 to {most}; map the class "
            "to a smaller code",
        )


def write_cloud(source: Path, output: Path, codes: np.ndarray) -> str | None:
    """Write a copy of `source` with another classification; all points and other dimensions are unchanged.

    A cloud-optimised file (.copc.laz) is written as plain LAZ without the records of its index.

    Args:
        source: the .las or .laz file that was classified.
        output: the file to write, of the same kind; written atomically.
        codes: (points,) ASPRS codes, in the order of the source.

    Returns:
        A message for the user about the written file, or None.

    Raises:
        DataError: the output is of another kind, or the codes do not match the number of points or the point format.
        StoreError: the file cannot be written.
    """
    check_output(source, output, np.unique(codes).tolist())
    header = read_header(source, "input")
    if len(codes) != header.points:
        raise DataError("output", f"{len(codes)} classes for the {header.points} points of {source}; give one for each")
    las = _read(source, header, "input", whole=True)
    las.classification = np.asarray(codes, np.uint8)
    las.header.vlrs = [record for record in las.header.vlrs if record.user_id != "copc"]
    if las.header.evlrs is not None:
        las.header.evlrs = type(las.header.evlrs)(r for r in las.header.evlrs if r.user_id != "copc")
    with atomic_write(output) as beside:
        las.write(beside, do_compress=output.suffix.lower() == ".laz")
    return f"{source.name} is cloud-optimised (COPC); {output.name} is plain LAZ" if header.is_copc else None


def _read(path: Path, header: LasHeader, where: str, *, whole: bool = False) -> Any:
    """Read the file as laspy data, including extended records if `whole` is set.

    A separate process decompresses the points.
    """
    import laspy

    require_room(where, f"{path} with its {header.points} points", header.points * (header.point_size + 3 * 8 + 4 + 3))
    described = _laspy_header(path, header, where, whole=whole)
    try:
        if header.compressed and header.points:
            raw = decompress_points(path, header)
        else:
            raw = np.fromfile(path, np.uint8, header.points * header.point_size, offset=header.start)
        record = laspy.PackedPointRecord(raw.view(described.point_format.dtype()), described.point_format)
    except (ReaderFailed, OSError, ValueError) as error:
        raise unreadable(path, where, str(error)) from error
    points = laspy.ScaleAwarePointRecord(record.array, record.point_format, described.scales, described.offsets)
    return laspy.LasData(described, points)


def _laspy_header(path: Path, header: LasHeader, where: str, *, whole: bool = False) -> Any:
    import laspy

    try:
        with path.open("rb") as file:
            described = laspy.LasHeader.read_from(file, read_evlrs=whole)
        if described.point_format.size != header.point_size or described.point_count != header.points:
            raise ValueError(f"its extra bytes don't fit points of {header.point_size} bytes")
    except Exception as error:  # the lengths are checked, but the content of a record may be invalid in any way
        raise unreadable(path, where, " ".join(str(error).split())) from error
    described.vlrs.extract("LasZipVlr")
    return described


def _metres(xyz: np.ndarray, scale: Scale) -> np.ndarray:
    return xyz if scale == (1.0, 1.0) else xyz * np.array([scale[0], scale[0], scale[1]])


def _names(header: Any) -> list[str]:
    """Return the feature names of a file's dimensions: one per element for an array dimension."""
    names: list[str] = []
    for dimension in header.point_format.dimensions:
        if dimension.name not in _RAW:
            several = dimension.num_elements > 1
            names += [f"{dimension.name}[{i}]" for i in range(dimension.num_elements)] if several else [dimension.name]
    return names


def _check_dimensions(path: Path, header: Any, features: Sequence[str], seen: Sequence[tuple[Path, Any]]) -> None:
    from handler.errors.quoting import suggestion

    names = _names(header)
    for name in select_dimensions(features):
        if name in names:
            continue
        having = next((other for other, its_header in seen if name in _names(its_header)), None)
        if having is not None:
            raise DataError(
                "data.args.features",
                f"{path} has no dimension {name!r}, which {having} has; give files that all have it, or leave it out",
            )
        would_do = suggestion(name, names, "its dimensions are", len(names))
        if get_close_matches(name, ALL_FEATURES, 1, 0.7):
            would_do = suggestion(name, [*names, *ALL_FEATURES])
        raise DataError(
            "data.args.features", f"there is no feature {name!r} and no such dimension in {path}; {would_do}"
        )


def _dimension(las: Any, name: str, path: Path, where: str) -> np.ndarray:
    base, _, element = name.partition("[")
    values = np.asarray(las[base], np.float64)
    values = values[:, int(element[:-1])] if element else values
    check_finite(values, f"{name} of {path}", where)
    return values - values.min() if name == "gps_time" else values
