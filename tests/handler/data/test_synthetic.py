import numpy as np

from handler.data.synthetic import synthetic_scene


def test_a_scene_is_a_function_of_its_seed(scene):
    again = synthetic_scene(seed=5, tiles=2, size=30.0, density=6.0)
    for one, other in zip(scene, again, strict=True):
        assert one.xyz.tobytes() == other.xyz.tobytes()
        assert one.intensity.tobytes() == other.intensity.tobytes()
        assert one.classification.tobytes() == other.classification.tobytes()
    assert synthetic_scene(seed=6, tiles=1, size=30.0, density=6.0)[0].xyz.tobytes() != scene[0].xyz.tobytes()


def test_a_tile_does_not_depend_on_the_number_of_tiles(scene):
    alone = synthetic_scene(seed=5, tiles=1, size=30.0, density=6.0)[0]
    assert alone.xyz.tobytes() == scene[0].xyz.tobytes()


def test_a_scene_has_every_class_and_noise():
    for seed in range(4):
        cloud = synthetic_scene(seed=seed, tiles=1)[0]
        assert {1, 2, 3, 4, 5, 6} <= set(cloud.classification.tolist())
        assert {7, 18} & set(cloud.classification.tolist())


def test_a_scene_has_the_requested_density(scene):
    for cloud in scene:
        first = cloud.return_number == 1
        assert abs(first.sum() - 6.0 * 30.0 * 30.0) < 20


def test_the_tiles_of_a_scene_adjoin(scene):
    for number, cloud in enumerate(scene):
        low, high = cloud.xyz[:, 0].min() - 770_000.0, cloud.xyz[:, 0].max() - 770_000.0
        assert 30.0 * number - 0.5 < low < high < 30.0 * (number + 1) + 0.5


def test_return_numbers_follow_those_of_a_scanner(scene):
    for cloud in scene:
        assert (cloud.return_number >= 1).all()
        assert (cloud.return_number <= cloud.number_of_returns).all()
        several = cloud.number_of_returns > 1
        assert 0.02 < several.mean() < 0.6
        assert np.isin(cloud.classification[several], [2, 3, 4, 5]).all()  # only tree crowns let pulses through


def test_buildings_and_trees_rise_above_the_ground(scene):
    for cloud in scene:
        height = {code: np.median(cloud.xyz[cloud.classification == code, 2]) for code in (2, 5, 6)}
        assert height[5] > height[2] + 2.0
        assert height[6] > height[2] + 2.0
