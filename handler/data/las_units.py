"""The unit of a lidar file's coordinates, from its coordinate reference system: WKT (1 and 2) or GeoTIFF keys.

Coordinates in feet are converted to metres; coordinates in degrees are refused. Heights without a vertical system of
their own have the horizontal unit. A file that names no unit is assumed to be in metres.
"""

import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handler.data.epsg_units import FOOT, METRE, UNITS, US_SURVEY_FOOT, horizontal_unit, vertical_unit
from handler.data.las_header import LasHeader
from handler.errors import DataError

PROJECTION = "LASF_Projection"
MODEL, PROJECTED, LINEAR, LINEAR_SIZE, VERTICAL, VERTICAL_UNIT = 1024, 3072, 3076, 3077, 4096, 4099
GEOGRAPHIC = 2048
USER_DEFINED = 32767
_GEOGRAPHIC_WKT = ("GEOGCS", "GEOGCRS", "GEOGRAPHICCRS", "BASEGEOGCRS", "GEODCRS", "GEODETICCRS", "GEOCCS")
_HORIZONTAL_WKT = ("PROJCS", "PROJCRS", "PROJECTEDCRS", "LOCAL_CS", "ENGCRS", "ENGINEERINGCRS")
_VERTICAL_WKT = ("VERT_CS", "VERTCRS", "VERTICALCRS")
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|([A-Za-z_][\w]*)\s*[\[(]|([\])])|([^\s,\[\]()"]+)')

Scale = tuple[float, float]
"""Metres of one unit: horizontal and vertical."""


# See docs/decisions/0047-units-of-lidar-files.md.
def read_scale(header: LasHeader, path: Path, where: str) -> Scale:
    """Return the metres of one unit of a file's coordinates, horizontal and vertical.

    Args:
        header: the file's header.
        path, where: the file and the field that named it, for messages.

    Raises:
        DataError: the coordinates are degrees, or the record does not determine the unit.
    """
    texts = [r.data.split(b"\0")[0] for r in header.records if (r.user, r.number) == (PROJECTION, 2112)]
    wkt = next((text for text in texts if text.strip()), None)
    keys = _keys(header)
    try:
        if wkt is not None and (header.has_wkt or not keys):
            return _scale_of_wkt(wkt.decode("utf-8", "replace"))
        return _scale_of_keys(keys) if keys else (METRE, METRE)
    except _Degrees as degrees:
        raise DataError(
            where,
            f"{path} has {degrees} coordinates, not metres or feet; reproject it first, as in: pdal translate IN OUT "
            "reprojection --filters.reprojection.out_srs=EPSG:CODE",
        ) from None
    except _Unknown as unknown:
        raise DataError(
            where, f"{path}: {unknown}; write a coordinate reference system into it whose unit is metres or feet"
        ) from None


class _Degrees(Exception):
    """Geographic or geocentric coordinates."""


class _Unknown(Exception):
    """A unit that is not known."""


WktNode = tuple[str, list[Any]]


def _scale_of_wkt(text: str) -> Scale:
    nodes = list(_walk(_parsed(text)))
    named = {name for name, _ in nodes}
    horizontal = next((node for node in nodes if node[0] in _HORIZONTAL_WKT), None)
    if horizontal is None:
        if named & set(_GEOGRAPHIC_WKT):
            raise _Degrees("geographic" if "GEOCCS" not in named else "geocentric")
        return METRE, METRE
    flat = _read_unit(horizontal, METRE)
    vertical = next((node for node in nodes if node[0] in _VERTICAL_WKT), None)
    return flat, flat if vertical is None else _read_unit(vertical, flat)


def _parsed(text: str) -> list[Any]:
    """Parse WKT into a tree of (keyword, content of its brackets); text that is not WKT gives an empty tree."""
    root: list[Any] = []
    stack = [root]
    for token in _TOKEN.finditer(text):
        quoted, keyword, closing, plain = token.groups()
        if keyword is not None:
            inside: list[Any] = []
            stack[-1].append((keyword.upper(), inside))
            stack.append(inside)
        elif closing is not None:
            if len(stack) > 1:
                stack.pop()
        else:
            stack[-1].append(plain if quoted is None else quoted)
    return root


def _walk(parts: list[Any]) -> Iterator[WktNode]:
    waiting = [part for part in reversed(parts) if isinstance(part, tuple)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [part for part in reversed(node[1]) if isinstance(part, tuple)]


def _read_unit(node: WktNode, default: float) -> float:
    """Return the metres of the unit that a coordinate system or one of its axes gives directly."""
    inside = [part for part in node[1] if isinstance(part, tuple)]
    axes = [part for name, parts in inside if name == "AXIS" for part in parts if isinstance(part, tuple)]
    for name, parts in [*inside, *axes]:
        if name in ("UNIT", "LENGTHUNIT") and parts:
            return _metres(parts)
    return default


def _metres(parts: list[Any]) -> float:
    try:
        factor = float(parts[1])
    except (IndexError, TypeError, ValueError):
        factor = _named(str(parts[0]))
    return _checked(factor, f"the unit {parts[0]!r} of its coordinate reference system")


def _named(name: str) -> float:
    word = name.lower().replace("_", " ")
    if "foot" in word or "feet" in word or "ft" in word:
        return US_SURVEY_FOOT if "us" in word or "survey" in word else FOOT
    return METRE if word.startswith("met") or word == "m" else math.nan


def _checked(factor: float, what: str) -> float:
    if not 1e-3 <= factor <= 1e4:
        raise _Unknown(f"{what} is not a known unit of length")
    # Return the exact definition of the foot: records have 6 to 17 digits of it.
    return next((unit for unit in (METRE, FOOT, US_SURVEY_FOOT) if abs(factor - unit) < 5e-8), factor)


def _keys(header: LasHeader) -> dict[int, Any]:
    """Return the GeoTIFF keys, with the texts and numbers that the other two records hold."""
    records = {r.number: r.data for r in header.records if r.user == PROJECTION}
    directory, doubles, texts = records.get(34735, b""), records.get(34736, b""), records.get(34737, b"")
    if len(directory) < 8:
        return {}
    count = min(struct.unpack_from("<H", directory, 6)[0], len(directory) // 8 - 1)
    keys: dict[int, Any] = {}
    for i in range(count):
        key, place, length, value = struct.unpack_from("<4H", directory, 8 + 8 * i)
        if place == 0:
            keys[key] = value
        elif place == 34736 and 8 * (value + 1) <= len(doubles):
            keys[key] = struct.unpack_from("<d", doubles, 8 * value)[0]
        elif place == 34737:
            keys[key] = texts[value : value + length].decode("latin-1")
    return keys


def _scale_of_keys(keys: dict[int, Any]) -> Scale:
    model = keys.get(MODEL, 0)
    if model in (2, 3) or (model == 0 and GEOGRAPHIC in keys and PROJECTED not in keys):
        raise _Degrees("geocentric" if model == 3 else "geographic")
    if keys.get(LINEAR) == USER_DEFINED and LINEAR_SIZE in keys:
        flat = _checked(float(keys[LINEAR_SIZE]), "the size of the linear unit in its GeoTIFF keys")
    elif keys.get(LINEAR, USER_DEFINED) != USER_DEFINED:
        flat = _coded(keys[LINEAR])
    else:
        flat = horizontal_unit(keys.get(PROJECTED, 0))
    if keys.get(VERTICAL_UNIT, USER_DEFINED) != USER_DEFINED:
        return flat, _coded(keys[VERTICAL_UNIT])
    own = vertical_unit(keys.get(VERTICAL, 0))
    return flat, flat if own is None else own


def _coded(code: Any) -> float:
    if code in UNITS:
        return UNITS[code]
    raise _Unknown(f"the unit with the code {code} in its GeoTIFF keys isn't known")
