from dataclasses import replace

import numpy as np
import pytest

from handler.data.cloud import Cloud
from handler.data.features import ALL_FEATURES, compute_features, is_computed


def by_name(cloud, *names):
    return dict(zip(names, compute_features(cloud, names).T, strict=True))


def test_all_27_features_are_finite(scene):
    values = compute_features(scene[0], ALL_FEATURES)
    assert values.shape == (len(scene[0]), 27)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


def test_features_have_the_requested_order(scene):
    names = ["thickness_16", "intensity", "z_std_64"]
    whole = compute_features(scene[0], ALL_FEATURES)
    where = [ALL_FEATURES.index(name) for name in names]
    np.testing.assert_array_equal(compute_features(scene[0], names), whole[:, where])


def test_features_do_not_depend_on_the_number_of_threads(scene):
    one, two = (compute_features(scene[0], ALL_FEATURES, threads).tobytes() for threads in (1, 2))
    assert one == two


def test_features_do_not_depend_on_the_position_of_a_tile(scene):
    moved = Cloud(**{**scene[0].__dict__, "xyz": scene[0].xyz + np.array([1e5, -2e5, 300.0])})
    np.testing.assert_allclose(compute_features(moved, ["z_above_min_16", "height_above_low"]),
                               compute_features(scene[0], ["z_above_min_16", "height_above_low"]), atol=1e-4)


def test_a_plane_is_planar_and_horizontal(make_cloud):
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2) * 0.2
    plane = by_name(make_cloud(np.column_stack([grid, np.zeros(400)])),
                    "planarity_16", "scattering_16", "verticality_16", "thickness_16")
    middle = np.abs(grid - 1.9).max(axis=1) < 1.0  # at the edge neighbourhoods are longer than wide
    assert (plane["planarity_16"][middle] > 0.5).all()
    np.testing.assert_allclose(plane["verticality_16"], 1.0, atol=1e-5)
    np.testing.assert_allclose(plane["scattering_16"], 0.0, atol=1e-5)
    np.testing.assert_allclose(plane["thickness_16"], 0.0, atol=1e-3)


def test_a_line_is_linear(make_cloud):
    line = by_name(make_cloud(np.column_stack([np.arange(60.0) * 0.1, np.zeros(60), np.zeros(60)])), "linearity_16")
    np.testing.assert_allclose(line["linearity_16"], 1.0, atol=1e-5)


def test_a_wall_has_a_level_normal(make_cloud):
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2) * 0.2
    wall = by_name(make_cloud(np.column_stack([grid[:, 0], np.zeros(400), grid[:, 1]])), "verticality_16")
    np.testing.assert_allclose(wall["verticality_16"], 0.0, atol=1e-5)


def test_heights_are_measured_from_the_surrounding_ground(make_cloud):
    xy = np.random.default_rng(0).uniform(0, 20, (2000, 2))
    on_block = (np.abs(xy - 10.0) < 3.0).all(axis=1)
    features = by_name(make_cloud(np.column_stack([xy, np.where(on_block, 5.0, 0.0)])),
                    "height_above_ground", "log_height_above_ground", "depth_below_top")
    np.testing.assert_allclose(features["height_above_ground"], np.where(on_block, 5.0, 0.0), atol=1e-5)
    np.testing.assert_allclose(features["log_height_above_ground"], np.log1p(features["height_above_ground"]), atol=1e-5)
    assert (features["depth_below_top"][on_block] < 1e-5).all()


def test_neighbourhood_statistics_agree_with_a_plain_loop(scene):
    cloud, k = scene[1], 16
    names = ("linearity_16", "thickness_16", "z_above_min_16", "z_std_16", "mean_intensity_16", "multi_return_share_16")
    features = by_name(cloud, *names)
    median = np.median(cloud.intensity)
    for i in range(0, len(cloud), 997):
        near = np.argsort(np.square(cloud.xyz - cloud.xyz[i]).sum(axis=1), kind="stable")[:k]
        l3, l2, l1 = np.linalg.eigvalsh(np.cov(cloud.xyz[near].T, bias=True))
        z = cloud.xyz[near, 2]
        expected = ((l1 - l2) / l1, np.sqrt(max(l3, 0)), cloud.xyz[i, 2] - z.min(), z.std(),
                    np.minimum(cloud.intensity[near] / median, 4).mean(), (cloud.number_of_returns[near] > 1).mean())
        np.testing.assert_allclose([features[name][i] for name in names], expected, atol=2e-3)


def test_a_cloud_of_few_points_has_finite_features(make_cloud):
    values = compute_features(make_cloud(np.random.default_rng(0).uniform(0, 1, (5, 3))), ALL_FEATURES)
    assert np.isfinite(values).all()


@pytest.mark.parametrize(("name", "exists"), [
    ("linearity_16", True), ("linearity_100", True), ("intensity", True), ("linearity", False), ("linearity_3", False),
    ("linearity_016", False), ("intensity_16", False), ("colour", False), ("linearity_999", False)])
def test_a_feature_exists_only_under_its_exact_name(name, exists):
    assert is_computed(name) is exists


def test_a_dimension_of_the_file_is_available_as_a_feature(scene):
    red = np.arange(len(scene[0]), dtype=np.float64)
    features = by_name(replace(scene[0], dimensions={"red": red}), "intensity", "red")
    np.testing.assert_array_equal(features["red"], red)
