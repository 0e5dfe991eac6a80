import numpy as np
import pytest

from handler.arch.hierarchy import build_hierarchy, furthest_points, nearest_neighbours

LEVELS, K = (256, 64, 16, 4), 8


@pytest.fixture(scope="module")
def xyz():
    return np.random.default_rng(0).normal(size=(5, 256, 3)).astype("float32")


@pytest.fixture(scope="module")
def tables(xyz):
    return build_hierarchy(xyz, LEVELS, K)


def test_each_sampled_point_is_the_furthest_from_the_earlier_ones(xyz):
    taken = furthest_points(xyz, 20)
    for field, indices in zip(xyz.astype(float), taken, strict=True):
        assert indices[0] == np.square(field - field.mean(axis=0)).sum(axis=1).argmin()
        for i in range(1, 20):
            apart = np.linalg.norm(field[:, None] - field[indices[:i]][None], axis=2).min(axis=1)
            assert apart[indices[i]] == pytest.approx(apart.max(), rel=1e-5)


def test_a_distant_outlier_is_sampled_second():
    xyz = np.random.default_rng(1).uniform(-1, 1, (1, 50, 3)).astype("float32")
    xyz[0, 17] = 40.0
    assert furthest_points(xyz, 3)[0, 1] == 17


def test_no_point_is_sampled_twice(xyz):
    assert all(len(set(row)) == 256 for row in furthest_points(xyz, 256).tolist())


def test_neighbours_are_the_nearest_points_in_order_of_distance(xyz):
    neighbours = nearest_neighbours(xyz[0], xyz[0, :10], K)
    for i, row in enumerate(neighbours):
        distances = np.linalg.norm(xyz[0] - xyz[0, i], axis=1)
        np.testing.assert_allclose(distances[row], np.sort(distances)[:K], rtol=1e-6)
        assert row[0] == i


def test_the_last_neighbour_is_repeated_if_there_are_too_few_points():
    neighbours = nearest_neighbours(np.eye(3), np.array([[1, 0.1, 0]]), 5)
    assert neighbours.shape == (1, 5)
    assert neighbours[0, :2].tolist() == [0, 1]
    assert len(set(neighbours[0, 2:].tolist())) == 1


def test_tables_have_valid_shapes_and_indices(tables):
    assert {name: table.shape[1:] for name, table in tables.items()} == {
        "neighbours1": (256, 8),
        "sample2": (64,), "neighbours2": (64, 8), "upsample2": (256,),
        "sample3": (16,), "neighbours3": (16, 8), "upsample3": (64,),
        "sample4": (4,), "neighbours4": (4, 8), "upsample4": (16,)}
    for name, table in tables.items():
        level = int(name[-1])
        inside = LEVELS[level - 1] if name.startswith("upsample") else LEVELS[max(level - 2, 0)]
        assert table.dtype == np.int32
        assert table.min() >= 0
        assert table.max() < inside, name


def test_a_sampled_point_is_its_own_nearest_neighbour(xyz, tables):
    for field in range(len(xyz)):
        np.testing.assert_array_equal(tables["neighbours2"][field][:, 0], tables["sample2"][field])


def test_upsampling_maps_a_sampled_point_to_itself(xyz, tables):
    for field in range(len(xyz)):
        np.testing.assert_array_equal(tables["upsample2"][field][tables["sample2"][field]], np.arange(64))


def test_structure_depends_only_on_a_fields_own_coordinates(xyz, tables):
    whole = tables
    for again in (build_hierarchy(xyz.copy(), LEVELS, K, threads=1), build_hierarchy(xyz[[0, 1, 2, 3, 4]], LEVELS, K)):
        assert all(whole[name].tobytes() == again[name].tobytes() for name in whole)
    turned = build_hierarchy(xyz[::-1], LEVELS, K)
    assert all(np.array_equal(whole[name][::-1], turned[name]) for name in whole)


def test_structure_does_not_depend_on_the_number_of_fields():
    many = np.random.default_rng(2).normal(size=(70, 64, 3)).astype("float32")
    whole, alone = build_hierarchy(many, (64, 16), 4), build_hierarchy(many[66:67], (64, 16), 4)
    assert all(np.array_equal(whole[name][66], alone[name][0]) for name in whole)


def test_fields_of_repeated_points_have_a_structure():
    tables = build_hierarchy(np.zeros((2, 64, 3), "float32"), (64, 16, 4), 8)
    assert all((table >= 0).all() for table in tables.values())
