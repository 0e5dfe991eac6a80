"""A point cloud in memory: one tile, its coordinates, and the attributes from which features are computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from handler.errors import DataError

_COLUMNS = ("xyz", "intensity", "return_number", "number_of_returns", "classification")
IGNORED = -1
"""The label of points that are input but never a training target."""


@dataclass(frozen=True)
class Cloud:
    """One tile of an airborne lidar survey. Features are computed within one tile.

    Attributes:
        name: the name of the tile in messages and records.
        xyz: (n, 3) float64, metres.
        intensity: (n,) float32, as recorded.
        return_number: (n,) uint8, 1-based.
        number_of_returns: (n,) uint8.
        classification: (n,) uint8, ASPRS codes.
        dimensions: further dimensions of the file, each (n,) float64, by name.

    Example:
        >>> import numpy as np
        >>> ones = np.ones(3, np.uint8)
        >>> len(Cloud("tile", np.zeros((3, 3)), np.ones(3, "float32"), ones, ones, ones))
        3
    """

    name: str
    xyz: np.ndarray
    intensity: np.ndarray
    return_number: np.ndarray
    number_of_returns: np.ndarray
    classification: np.ndarray
    dimensions: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.xyz)


def mask_of_codes(cloud: Cloud, codes: Sequence[int]) -> np.ndarray:
    """Return a mask of the points that have one of the codes: (n,) bool."""
    return np.isin(cloud.classification, list(codes))


def remove_codes(cloud: Cloud, codes: Sequence[int], where: str) -> Cloud:
    """Return the cloud without the points that have one of the codes, or the cloud itself if no point has one.

    Args:
        cloud: the tile.
        codes: ASPRS codes, `data.args.leave_out`.
        where: the field that named the cloud, for messages.

    Raises:
        DataError: no point would be left.
    """
    kept = ~mask_of_codes(cloud, codes)
    if kept.all():
        return cloud
    if not kept.any():
        raise DataError(
            where,
            f"every point of {cloud.name} has a code of data.args.leave_out ({', '.join(map(str, codes))}); give a "
            "file with other points, or leave fewer codes out",
        )
    return replace(
        cloud,
        **{name: getattr(cloud, name)[kept] for name in _COLUMNS},
        dimensions={name: values[kept] for name, values in cloud.dimensions.items()},
    )


def labels_of(cloud: Cloud, classes: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Return the class index of every point: (n,) int32, `IGNORED` if the code of the point is in no class.

    Args:
        cloud: the tile.
        classes: class name -> ASPRS codes, in the order of the network's outputs.
    """
    table = np.full(256, IGNORED, np.int32)
    for index, codes in enumerate(classes.values()):
        table[list(codes)] = index
    return table[cloud.classification]


def codes_of(labels: np.ndarray, classes: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Return the ASPRS code (uint8) to write for each label, in the same shape: the first code of its class.

    Args:
        labels: class indices of any shape, each at least 0.
        classes: class name -> ASPRS codes, in the order of the network's outputs.
    """
    return np.array([codes[0] for codes in classes.values()], np.uint8)[labels]
