"""The hierarchy of a receptive field as index tables: furthest-point sampling, neighbourhoods, upsampling.

The tables depend on the coordinates only and stay valid under similarity transforms (rotation, mirroring, scaling).
The module uses numpy and scipy only.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BLOCK = 64  # fields sampled together


def furthest_points(xyz: np.ndarray, count: int) -> np.ndarray:
    """Sample the furthest points of many fields at once (Eldar et al., 1997; in networks Qi et al., PointNet++, 2017).

    The first point is the one nearest to the field's centroid. Each following one is the point furthest from all points
    taken so far; of equally far points, the first.

    Args:
        xyz: (B, N, 3) float32.
        count: number of points to take, at most N.

    Returns:
        (B, count) int32 indices, in the order in which the points are taken.
    """
    fields = np.arange(len(xyz))
    planes = np.ascontiguousarray(xyz.transpose(2, 0, 1), np.float32)  # no reduction over a short last axis
    centre = planes.mean(axis=2, keepdims=True)
    last = np.square(planes - centre).sum(axis=0).argmin(axis=1)
    taken = np.empty((len(xyz), count), np.int32)
    taken[:, 0] = last
    nearest = np.full(planes.shape[1:], np.inf, np.float32)
    distance, term = np.empty_like(nearest), np.empty_like(nearest)
    for i in range(1, count):
        for axis, plane in enumerate(planes):
            out = distance if axis == 0 else term
            np.subtract(plane, plane[fields, last][:, None], out=out)
            np.multiply(out, out, out=out)
            if axis:
                distance += term
        np.minimum(nearest, distance, out=nearest)
        last = nearest.argmax(axis=1)
        taken[:, i] = last
    return taken


def nearest_neighbours(xyz: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    """Return the nearest neighbours of each query, nearest first.

    Args:
        xyz: (N, 3) points.
        queries: (M, 3) points.
        count: number of neighbours.

    Returns:
        (M, count) int32 indices into `xyz`. If N is less than `count`, the last column is repeated.
    """
    from scipy.spatial import cKDTree

    most = min(count, len(xyz))
    # Unbalanced and not compact: with so few points queries are as fast, and building takes a third of the time.
    tree = cKDTree(xyz, balanced_tree=False, compact_nodes=False)
    nearest: np.ndarray = np.asarray(tree.query(queries, k=range(1, most + 1))[1], np.int32)
    return nearest if most == count else np.pad(nearest, ((0, 0), (0, count - most)), mode="edge")


def build_hierarchy(xyz: np.ndarray, levels: Sequence[int], neighbours: int, threads: int = 2) -> dict[str, np.ndarray]:
    """Compute all tables of a hierarchy; level 1 is the field itself.

    Args:
        xyz: (n, N, 3) float32 coordinates of n fields.
        levels: points per level, `levels[0] == N`, decreasing.
        neighbours: number of points of a neighbourhood, k.
        threads: number of threads. The result does not depend on it.

    Returns:
        Per level l, int32, first axis the fields:
        `neighbours1` (n, N, k): the points nearest to each point, including the point itself;
        from level 2 on `sample<l>` (n, levels[l-1]): the points of level l as indices into level l-1;
        `neighbours<l>` (n, levels[l-1], k): their neighbourhoods as indices into level l-1;
        `upsample<l>` (n, levels[l-2]): for each point of level l-1 the nearest point of level l.
    """
    tables = {"neighbours1": np.empty((len(xyz), levels[0], neighbours), np.int32)}
    for number in range(2, len(levels) + 1):
        below, here = levels[number - 2], levels[number - 1]
        tables[f"sample{number}"] = np.empty((len(xyz), here), np.int32)
        tables[f"neighbours{number}"] = np.empty((len(xyz), here, neighbours), np.int32)
        tables[f"upsample{number}"] = np.empty((len(xyz), below), np.int32)

    def work(begin: int) -> None:
        rows = slice(begin, min(begin + BLOCK, len(xyz)))
        points = np.ascontiguousarray(xyz[rows], np.float32)
        for i, field in enumerate(points, begin):
            tables["neighbours1"][i] = nearest_neighbours(field, field, neighbours)
        for number in range(2, len(levels) + 1):
            chosen = furthest_points(points, levels[number - 1])
            tables[f"sample{number}"][rows] = chosen
            above = np.take_along_axis(points, chosen[:, :, None], axis=1)
            for i, (field, coarse) in enumerate(zip(points, above, strict=True), begin):
                tables[f"neighbours{number}"][i] = nearest_neighbours(field, coarse, neighbours)
                tables[f"upsample{number}"][i] = nearest_neighbours(coarse, field, 1)[:, 0]
            points = above

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, len(xyz), BLOCK)))
    return tables
