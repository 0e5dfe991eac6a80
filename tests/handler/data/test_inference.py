import numpy as np
import pytest

from handler.data.cloud import Cloud
from handler.data.inference import covering_fields, predict_cloud
from handler.data.receptive_fields import Tile
from tests.handler.data.conftest import CLASSES

PREPARATION = {"classes": CLASSES, "features": ["height_above_ground"], "mean": [0.0], "std": [1.0], "clip": 50.0,
               "radius": 5.0, "points": 256, "turned": False}


def by_height(X):
    """Return probabilities of a stand-in network with a known answer: the class by height above the ground."""
    low, high = X[1][..., 0] < 0.3, X[1][..., 0] > 2.5
    chosen = np.where(low, 0, np.where(high, 2, 1))
    return np.eye(3, dtype=np.float32)[chosen] * 0.8 + 0.2 / 3


def test_every_point_gets_probabilities_that_add_up_to_one(scene):
    probabilities = predict_cloud(by_height, scene[0], PREPARATION)
    assert probabilities.shape == (len(scene[0]), 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)


def test_the_class_of_a_point_does_not_depend_on_its_place_in_a_field(scene):
    from handler.data.features import compute_features

    height = compute_features(scene[0], ["height_above_ground"])
    labels = predict_cloud(by_height, scene[0], PREPARATION).argmax(axis=1)
    expected = by_height([None, height]).argmax(axis=-1)
    assert np.mean(labels == expected) > 0.999  # a few points are in no field and get their neighbours' mean


def test_predictions_of_one_cloud_are_bit_identical(scene):
    one, other = (predict_cloud(by_height, scene[0], PREPARATION).tobytes() for _ in range(2))
    assert one == other


def test_fields_cover_99_percent_of_the_points_four_times(scene):
    tile = Tile(scene[0], np.zeros((len(scene[0]), 0), np.float32), np.zeros(len(scene[0]), np.int32))
    fields = covering_fields(tile, 5.0, 256)
    seen = np.zeros(len(scene[0]), int)
    for support, members in fields:
        assert len(members) == 256
        assert np.hypot(*(scene[0].xyz[members, :2] - support).T).max() <= 5.0
        seen[np.unique(members)] += 1
    assert np.mean(seen >= 4) >= 0.99


def test_repeated_points_of_a_field_count_once(make_cloud):
    # 40 points far from all others: fields there repeat points, and the mean must not weight repeated points more.
    rng = np.random.default_rng(0)
    xyz = np.concatenate([rng.uniform(0, 10, (600, 3)), rng.uniform(0, 1, (40, 3)) + np.array([100, 100, 0])])
    probabilities = predict_cloud(by_height, make_cloud(xyz), PREPARATION)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)


def test_a_network_without_features_predicts_from_coordinates(scene):
    seen = []

    def predict(X):
        seen.append(len(X))
        return np.full((*X[0].shape[:2], 3), 1 / 3, np.float32)

    predict_cloud(predict, scene[0], {**PREPARATION, "features": [], "mean": [], "std": []})
    assert set(seen) == {1}


def test_rotation_augmented_networks_predict_each_field_in_two_rotations(scene):
    seen = {}

    def predict_as(name):
        def predict(X):
            seen.setdefault(name, []).append(X[0].copy())
            return by_height(X)
        return predict

    plain = predict_cloud(predict_as("plain"), scene[0], PREPARATION)
    turned = predict_cloud(predict_as("turned"), scene[0], {**PREPARATION, "turned": True})
    np.testing.assert_allclose(turned, plain, atol=1e-5)  # this network uses only the features
    once, twice = (np.concatenate(seen[name]) for name in ("plain", "turned"))
    assert len(twice) == 2 * len(once)
    first, second = seen["turned"][:2]
    np.testing.assert_allclose(second[..., :2], -first[..., :2], atol=1e-5)  # rotated by 180 degrees
    np.testing.assert_allclose(np.linalg.norm(first, axis=2), np.linalg.norm(seen["plain"][0], axis=2), atol=1e-5)
    assert np.array_equal(first[..., 2], seen["plain"][0][..., 2])


def test_the_progress_ends_with_all_fields(scene):
    steps = []
    predict_cloud(by_height, scene[0], PREPARATION, progress=lambda done, of: steps.append((done, of)))
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_a_network_that_returns_too_few_fields_is_an_error(scene):
    with pytest.raises(ValueError, match="zip"):
        predict_cloud(lambda X: by_height(X)[:-1], scene[0], PREPARATION)


def test_the_position_of_a_tile_does_not_change_its_classes(scene):
    moved = Cloud(**{**scene[0].__dict__, "xyz": scene[0].xyz - np.array([5e5, 1e6, 0.0])})
    one, other = (predict_cloud(by_height, cloud, PREPARATION).argmax(axis=1) for cloud in (scene[0], moved))
    assert np.mean(one == other) > 0.999
