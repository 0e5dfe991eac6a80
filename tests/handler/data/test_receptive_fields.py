import numpy as np
import pytest

from handler.data.cloud import labels_of
from handler.data.features import compute_features
from handler.data.receptive_fields import (
    Tile,
    draw_fields,
    normalise,
    prepare_tile,
    sample,
    standardisation,
    standardise,
)
from tests.handler.data.conftest import CLASSES

NAMES = ["intensity", "height_above_ground", "z_std_16"]
HOW = {"count": 12, "radius": 5.0, "points": 128, "balanced": 0.5, "jitter": 1.0, "seed": [3, 0]}


@pytest.fixture(scope="module")
def tiles(scene):
    # Use the points' indices as features, so that the points of a field can be identified.
    return [Tile(cloud, np.arange(len(cloud), dtype=np.float32)[:, None], labels_of(cloud, CLASSES)) for cloud in scene]


def test_a_cylinder_contains_exactly_the_points_within_its_radius(scene, tiles):
    support = scene[0].xyz[100, :2]
    distances = np.hypot(*(scene[0].xyz[:, :2] - support).T)
    np.testing.assert_array_equal(tiles[0].cylinder(support, 4.0), np.flatnonzero(distances <= 4.0))


def test_fields_have_the_requested_shapes(tiles):
    xyz, features, labels = draw_fields(tiles, **HOW)
    assert (xyz.shape, features.shape, labels.shape) == ((12, 128, 3), (12, 128, 1), (12, 128))
    assert (xyz.dtype, features.dtype, labels.dtype) == (np.float32, np.float32, np.int32)


def test_the_points_of_a_field_lie_within_its_radius(tiles):
    xyz = draw_fields(tiles, **HOW)[0]
    assert np.hypot(xyz[..., 0], xyz[..., 1]).max() <= 1.0 + 1e-6
    np.testing.assert_allclose(np.median(xyz[..., 2], axis=1), 0.0, atol=1e-6)


def test_a_field_has_points_of_one_tile_with_their_features_and_labels(scene, tiles):
    xyz, features, labels = draw_fields(tiles, **HOW)
    for field, numbers, targets in zip(xyz, features[..., 0].astype(int), labels, strict=True):
        fits = [
            np.array_equal(tile.labels[numbers], targets)
            and np.ptp(cloud.xyz[numbers, :2] / 5.0 - field[:, :2], axis=0).max() < 1e-3
            for cloud, tile in zip(scene, tiles, strict=True) if numbers.max() < len(cloud)
        ]
        assert sum(fits) == 1
        assert len(set(numbers.tolist())) == 128  # no point is repeated if there are enough


def test_each_field_is_a_function_of_the_seed_and_its_index(tiles):
    first = draw_fields(tiles, **HOW)
    again = draw_fields(tiles, **{**HOW, "count": 5})
    other = draw_fields(tiles, **{**HOW, "seed": [4, 0]})
    assert all(a[:5].tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    assert first[0].tobytes() != other[0].tobytes()


def test_fields_drawn_by_class_contain_rare_classes_more_often(tiles):
    how = {**HOW, "count": 150, "radius": 1.5, "jitter": 0.0}
    share = [np.mean(draw_fields(tiles, **{**how, "balanced": balanced})[2] == 0) for balanced in (0.0, 1.0)]
    assert share[1] < share[0]


def test_too_few_points_are_repeated():
    rng = np.random.default_rng(0)
    few = sample(np.arange(10), 25, rng)
    assert len(few) == 25
    assert set(few.tolist()) == set(range(10))
    assert sorted(sample(np.arange(10), 10, rng).tolist()) == list(range(10))


def test_points_outside_the_mapping_have_the_ignored_label(tiles):
    labels = draw_fields(tiles, **{**HOW, "count": 80})[2]
    assert (labels == -1).any()
    assert set(np.unique(labels)) == {-1, 0, 1, 2}


def test_normalised_coordinates_do_not_depend_on_the_position():
    xyz = np.random.default_rng(0).uniform(0, 4, (50, 3))
    moved = normalise(xyz + np.array([7e5, 6e6, 100.0]), np.array([7e5 + 2, 6e6 + 2]), 4.0)
    np.testing.assert_allclose(moved, normalise(xyz, np.array([2.0, 2.0]), 4.0), atol=1e-6)


def test_the_standardisation_has_the_mean_and_deviation_of_all_tiles(scene):
    values = [compute_features(cloud, NAMES) for cloud in scene]
    mean, std = standardisation(values)
    whole = np.concatenate(values)
    np.testing.assert_allclose(mean, whole.mean(axis=0, dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(std, whole.std(axis=0, dtype=np.float64), rtol=1e-5)


def test_standardised_features_are_clipped(scene):
    values = compute_features(scene[0], NAMES)
    mean, std = standardisation([values])
    preparation = {"mean": mean.tolist(), "std": std.tolist(), "clip": 1.5, "features": NAMES, "classes": CLASSES}
    scaled = standardise(values, preparation)
    np.testing.assert_allclose(scaled, np.clip((values - mean) / std, -1.5, 1.5), rtol=1e-4, atol=1e-5)
    assert scaled.dtype == np.float32
    assert np.abs(scaled).max() == 1.5
    np.testing.assert_array_equal(prepare_tile(scene[0], preparation).features, scaled)


def test_a_constant_feature_is_standardised_to_finite_values():
    values = np.ones((10, 2), np.float32)
    mean, std = standardisation([values])
    assert np.isfinite(standardise(values, {"mean": mean, "std": std, "clip": 5.0})).all()
