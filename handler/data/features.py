"""Features of lidar points at full resolution, chosen by name. Each is computed within one tile.

    height_above_ground      z above the lowest point of a window of 30 m, metres
    log_height_above_ground  log(1 + height_above_ground)
    height_above_low         z above the lowest point within about 1.5 m
    depth_below_top          z below the highest point within about 1.5 m
    intensity                divided by the tile's median, at most 4
    return_number, number_of_returns
    is_last_return           1 or 0
    log_density              log of the points per cubic metre among the 16 nearest
    red, nir, user_data, ... any other dimension of the file, by its name and with the value that the file's reader
                             returns: extra bytes times their scale plus their offset; `name[i]` for one element of an
                             array dimension; gps_time relative to the tile's least. Like every feature it is
                             standardised by the mean and standard deviation of the training tiles

and, over the k nearest points (`linearity_16`, `linearity_64`, ... for any k from 4 to 256), with the eigenvalues
l1 >= l2 >= l3 of their covariance (dimensionality features after Demantké et al., 2011):

    linearity_k   (l1 - l2) / l1       planarity_k  (l2 - l3) / l1        scattering_k  l3 / l1
    verticality_k |z| of the normal    thickness_k  sqrt(l3), metres      z_above_min_k, z_std_k, metres
    mean_intensity_k                   multi_return_share_k               share of points of pulses with several returns
"""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from handler.data.cells import Cells
from handler.data.cloud import Cloud

POINTWISE = (
    "height_above_ground",
    "log_height_above_ground",
    "height_above_low",
    "depth_below_top",
    "intensity",
    "return_number",
    "number_of_returns",
    "is_last_return",
    "log_density",
)
NEIGHBOURHOOD = (
    "linearity",
    "planarity",
    "scattering",
    "verticality",
    "thickness",
    "z_above_min",
    "z_std",
    "mean_intensity",
    "multi_return_share",
)
ALL_FEATURES = (*POINTWISE, *(f"{name}_{k}" for k in (16, 64) for name in NEIGHBOURHOOD))
"""The 27 features used where none are named."""

SCALES = range(4, 257)
CELL, GROUND_WINDOW, LOCAL_WINDOW = 1.0, 31, 3  # metres, cells, cells
DENSITY_K = 16
CHUNK = 8192  # points whose neighbourhoods are in memory at once
_SCALED = re.compile(r"(\w+?)_(\d+)")


def is_computed(name: str) -> bool:
    """Return whether this module computes the feature; every other name is a dimension of the file."""
    return name in POINTWISE or _scale(name) is not None


def select_dimensions(names: Sequence[str]) -> list[str]:
    """Return the feature names that are dimensions of the file."""
    return [name for name in names if not is_computed(name)]


def compute_features(cloud: Cloud, names: Sequence[str], threads: int = 2) -> np.ndarray:
    """Compute the named features of every point of a tile: (points, features) float32, in the order of `names`.

    Args:
        cloud: the tile.
        names: feature names; see the docstring of this module.
        threads: number of threads for the neighbourhoods. The result does not depend on it.

    Raises:
        KeyError: a name is a dimension that was not read with the cloud.
    """
    relative = cloud.xyz - cloud.xyz.mean(axis=0)
    columns = {**cloud.dimensions, **_pointwise(cloud, relative)}
    scales = sorted({scale[1] for name in names if (scale := _scale(name))})
    if scales or "log_density" in names:
        columns |= _neighbourhoods(cloud, relative, scales, threads)
    chosen = np.empty((len(cloud), len(names)), np.float32)
    for i, name in enumerate(names):
        chosen[:, i] = columns[name]
    return chosen


def _scale(name: str) -> tuple[str, int] | None:
    match = _SCALED.fullmatch(name)
    if match and match[1] in NEIGHBOURHOOD and int(match[2]) in SCALES and str(int(match[2])) == match[2]:
        return match[1], int(match[2])
    return None


def _relative_intensity(cloud: Cloud) -> np.ndarray:
    median = float(np.median(cloud.intensity))
    return np.minimum(cloud.intensity / (median if median > 0 else 1.0), 4.0).astype(np.float32)


def _pointwise(cloud: Cloud, xyz: np.ndarray) -> dict[str, np.ndarray]:
    z = xyz[:, 2]
    cells = Cells(xyz[:, :2], CELL)
    height = z - cells.lowest(z, GROUND_WINDOW)
    return {
        "height_above_ground": height,
        "log_height_above_ground": np.log1p(height),
        "height_above_low": z - cells.lowest(z, LOCAL_WINDOW),
        "depth_below_top": cells.highest(z, LOCAL_WINDOW) - z,
        "intensity": _relative_intensity(cloud),
        "return_number": cloud.return_number,
        "number_of_returns": cloud.number_of_returns,
        "is_last_return": cloud.return_number >= cloud.number_of_returns,
    }


def _neighbourhoods(cloud: Cloud, xyz: np.ndarray, scales: Sequence[int], threads: int) -> dict[str, np.ndarray]:
    from scipy.spatial import cKDTree

    count = len(xyz)
    tree = cKDTree(xyz)
    most = min(max([*scales, DENSITY_K]), count)
    points = np.column_stack([xyz, _relative_intensity(cloud), cloud.number_of_returns > 1]).astype(np.float32)
    columns = {f"{name}_{k}": np.empty(count, np.float32) for k in scales for name in NEIGHBOURHOOD}
    columns["log_density"] = np.empty(count, np.float32)

    def work(begin: int) -> None:
        rows = slice(begin, min(begin + CHUNK, count))
        distances, indices = map(np.asarray, tree.query(xyz[rows], k=range(1, most + 1)))
        reach = np.maximum(distances[:, min(DENSITY_K, most) - 1], 1e-3)
        columns["log_density"][rows] = np.log(min(DENSITY_K, most) / (4.0 / 3.0 * np.pi * reach**3))
        near = points[indices]
        near[:, :, :3] -= points[rows, None, :3]  # relative coordinates are small enough for float32
        for k in scales:
            for name, values in _statistics(near[:, : min(k, most)]).items():
                columns[f"{name}_{k}"][rows] = values

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, count, CHUNK)))
    return columns


def _statistics(near: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics of neighbourhoods.

    Args:
        near: (points, k, 5): coordinates relative to the point, intensity, 1 if its pulse has several returns.
    """
    mean = near.mean(axis=1)
    centred = near[:, :, :3] - mean[:, None, :3]
    covariance = np.matmul(centred.transpose(0, 2, 1), centred) / near.shape[1]
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    l3, l2, l1 = np.maximum(values, 0.0).T
    l1 = np.maximum(l1, 1e-9)
    return {
        "linearity": (l1 - l2) / l1,
        "planarity": (l2 - l3) / l1,
        "scattering": l3 / l1,
        "verticality": np.abs(vectors[:, 2, 0]),
        "thickness": np.sqrt(l3),
        "z_above_min": -near[:, :, 2].min(axis=1),
        "z_std": np.sqrt(np.maximum(covariance[:, 2, 2], 0.0)),
        "mean_intensity": mean[:, 3],
        "multi_return_share": mean[:, 4],
    }
