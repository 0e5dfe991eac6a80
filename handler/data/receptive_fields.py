"""Receptive fields: vertical cylinders of fixed radius around support points, each with a fixed number of points."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handler.data.cloud import IGNORED, Cloud, labels_of
from handler.data.features import compute_features

MIN_POINTS = 32
"""The fewest points of a drawn cylinder; with fewer, its support moves back onto the point it was drawn from."""


@dataclass
class Tile:
    """A cloud that is prepared for receptive fields.

    Attributes:
        cloud: the tile.
        features: (points, F) float32, standardised and clipped.
        labels: (points,) int32, `IGNORED` for a point that is no target.
        columns: the k-d tree over (x, y).
    """

    cloud: Cloud
    features: np.ndarray
    labels: np.ndarray
    columns: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from scipy.spatial import cKDTree

        self.columns = cKDTree(self.cloud.xyz[:, :2])

    def cylinder(self, support: np.ndarray, radius: float) -> np.ndarray:
        """Return the sorted indices of the points within `radius` (metres) of a support (x, y), at any height."""
        return np.array(self.columns.query_ball_point(support, radius, return_sorted=True), np.intp)


def standardisation(features: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of every feature over all points of all tiles: two (F,) float64."""
    count = sum(len(values) for values in features)
    mean = sum(values.sum(axis=0, dtype=np.float64) for values in features) / count
    variance = sum(np.square(values - mean).sum(axis=0) for values in features) / count
    return np.asarray(mean), np.maximum(np.sqrt(variance), 1e-6)


def standardise(values: np.ndarray, preparation: dict[str, Any]) -> np.ndarray:
    """Standardise features by the training tiles' mean and standard deviation, and clip them: (points, F) float32.

    Args:
        values: (points, F) features.
        preparation: `Dataset.preparation` of the training's dataset.
    """
    clip = preparation["clip"]
    scaled = (values - np.asarray(preparation["mean"])) / np.asarray(preparation["std"])
    return np.clip(scaled, -clip, clip).astype(np.float32)


def prepare_tile(cloud: Cloud, preparation: dict[str, Any]) -> Tile:
    """Prepare a tile as the training tiles were prepared.

    Args:
        cloud: the tile.
        preparation: `Dataset.preparation` of the training's dataset.
    """
    features = standardise(compute_features(cloud, preparation["features"]), preparation)
    return Tile(cloud, features, labels_of(cloud, preparation["classes"]))


def normalise(xyz: np.ndarray, support: np.ndarray, radius: float) -> np.ndarray:
    """Return a field's coordinates as the network's input.

    Args:
        xyz: (N, 3) coordinates, metres.
        support: (2,) x and y of the support point, metres.
        radius: radius of the field, metres.

    Returns:
        (N, 3) float32: x and y relative to the support point and z to the median height, divided by the radius.
    """
    centred = xyz - np.array([support[0], support[1], np.median(xyz[:, 2])])
    return (centred / radius).astype(np.float32)


def sample(members: np.ndarray, points: int, rng: np.random.Generator) -> np.ndarray:
    """Draw exactly `points` of a cylinder's members.

    The draw is without replacement if there are enough members. Otherwise it has every member once, and some repeated.

    Args:
        members: indices of the points in the cylinder, at least one.
        points: number of points to draw.
        rng: the source of randomness.
    """
    if len(members) >= points:
        return members[rng.choice(len(members), points, replace=False)]
    again = members[rng.choice(len(members), points - len(members))]
    return rng.permutation(np.concatenate([members, again]))


def draw_fields(
    tiles: Sequence[Tile],
    *,
    count: int,
    radius: float,
    points: int,
    balanced: float,
    jitter: float,
    seed: Sequence[int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw receptive fields from tiles.

    Args:
        tiles: the tiles.
        count: number of fields.
        radius: radius of the cylinders, metres.
        points: points per field.
        balanced: share of the supports drawn class by class, each class equally often; the others are drawn from all
            points.
        jitter: standard deviation of the normal shift of a support, metres.
        seed: the seed of the draw; field i depends on (seed, i) only.

    Returns:
        xyz (count, points, 3) float32, features (count, points, F) float32, labels (count, points) int32.
    """
    offsets = np.cumsum([0, *(len(tile.cloud) for tile in tiles)])
    labels = np.concatenate([tile.labels for tile in tiles])
    members = [np.flatnonzero(labels == label) for label in np.unique(labels[labels != IGNORED])]
    xyz = np.empty((count, points, 3), np.float32)
    features = np.empty((count, points, tiles[0].features.shape[1]), np.float32)
    targets = np.empty((count, points), np.int32)
    for i in range(count):
        rng = np.random.default_rng([*seed, i])
        if members and rng.random() < balanced:
            chosen = int(rng.choice(members[rng.integers(len(members))]))
        else:
            chosen = int(rng.integers(len(labels)))
        number = int(np.searchsorted(offsets, chosen, side="right")) - 1
        tile, point = tiles[number], chosen - offsets[number]
        support = tile.cloud.xyz[point, :2] + rng.normal(0.0, jitter, 2)
        inside = tile.cylinder(support, radius)
        if len(inside) < MIN_POINTS:
            support = tile.cloud.xyz[point, :2]
            inside = tile.cylinder(support, radius)
        picked = sample(inside, points, rng)
        xyz[i] = normalise(tile.cloud.xyz[picked], support, radius)
        features[i], targets[i] = tile.features[picked], tile.labels[picked]
    return xyz, features, targets
