"""Classification of whole clouds: overlapping receptive fields are predicted until they cover nearly all points."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from handler.data.cloud import Cloud
from handler.data.receptive_fields import Tile, normalise, prepare_tile, sample

Predict = Callable[[list[np.ndarray]], np.ndarray]
Progress = Callable[[int, int], None]
TIMES, SHARE = 4, 0.99  # fields that should hold a point, share of the points that must reach this number
BATCH = 64  # fields predicted at once
NEIGHBOURS = 3  # nearest predicted points averaged for a point without a prediction
TURNS = 2  # rotations of each field, if the network was trained on rotated fields
GOLDEN = np.pi * (3.0 - np.sqrt(5.0))  # the golden angle spreads successive rotations evenly over the circle


def predict_cloud(
    predict: Predict, cloud: Cloud, preparation: dict[str, Any], *, progress: Progress | None = None
) -> np.ndarray:
    """Predict class probabilities for all points of a tile: the mean over the overlapping fields that hold a point.

    If the network was trained on rotated fields, each field is predicted in two rotations. Points in no field get the
    mean of their three nearest neighbours. The same cloud gives bit-identical probabilities.

    Args:
        predict: [xyz (n, N, 3), features (n, N, F)] float32 -> (n, N, classes) probabilities.
        cloud: the tile.
        preparation: `Dataset.preparation` of the training's dataset.
        progress: called with (fields predicted, fields).

    Returns:
        (points, classes) float32.
    """
    tile = prepare_tile(cloud, preparation)
    radius, points = preparation["radius"], preparation["points"]
    fields = covering_fields(tile, radius, points)
    total = np.zeros((len(cloud), len(preparation["classes"])), np.float64)
    seen = np.zeros(len(cloud), np.int64)
    for begin in range(0, len(fields), BATCH):
        batch = fields[begin : begin + BATCH]
        xyz = np.stack([normalise(cloud.xyz[members], support, radius) for support, members in batch])
        features = [np.stack([tile.features[members] for _, members in batch])] if tile.features.shape[1] else []
        for turn in range(TURNS if preparation["turned"] else 1):
            angles = GOLDEN * np.arange(begin, begin + len(batch)) + 2.0 * np.pi * turn / TURNS
            view = rotate(xyz, angles) if preparation["turned"] else xyz
            for (_, members), probabilities in zip(batch, predict([view, *features]), strict=True):
                np.add.at(total, members, probabilities)
                np.add.at(seen, members, 1)
        if progress is not None:
            progress(min(begin + BATCH, len(fields)), len(fields))
    probabilities = total / np.maximum(seen, 1)[:, None]
    if not seen.all():
        probabilities[seen == 0] = _from_neighbours(cloud.xyz[seen > 0], probabilities[seen > 0], cloud.xyz[seen == 0])
    return probabilities.astype(np.float32)


def rotate(xyz: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Rotate fields (n, N, 3) about the vertical, each by its angle (n,) in radians; return float32."""
    matrices = np.zeros((len(xyz), 3, 3), np.float32)
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angles)
    matrices[:, 0, 1], matrices[:, 1, 0] = np.sin(angles), -np.sin(angles)
    matrices[:, 2, 2] = 1.0
    return np.matmul(xyz, matrices)


def covering_fields(tile: Tile, radius: float, points: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return fields that cover a tile. The result depends on the arguments only.

    Each round draws fields around the points that are in the fewest fields so far. Rounds follow until 99 % of the
    points are in 4 fields or more.

    Args:
        tile: the prepared tile.
        radius: radius of the fields, metres.
        points: points per field.

    Returns:
        (support (2,), members (points,)) of each field.
    """
    rng = np.random.default_rng(0)
    seen = np.zeros(len(tile.cloud), np.int64)
    fields = []
    for level in itertools.chain(range(TIMES), itertools.repeat(TIMES - 1)):
        for point in rng.permutation(np.flatnonzero(seen <= level)):
            if seen[point] > level:  # a field of this round already holds it
                continue
            support = tile.cloud.xyz[point, :2]
            members = sample(tile.cylinder(support, radius), points, rng)
            seen[members] += 1
            fields.append((support, members))
        if np.count_nonzero(seen >= TIMES) >= SHARE * len(seen):
            break
    return fields


def _from_neighbours(known: np.ndarray, probabilities: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    nearest = cKDTree(known).query(unknown, k=range(1, min(NEIGHBOURS, len(known)) + 1))[1]
    return probabilities[nearest].mean(axis=1)
