"""The grid of cells under a cloud: its memory, and equal values for few and for many occupied cells."""

import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from handler.data.cells import Cells
from handler.data.cloud import Cloud
from handler.data.features import compute_features


def test_a_distant_stray_point_costs_one_cell_of_memory(scene):
    far = scene[0].xyz.mean(axis=0) + np.array([50_000.0, 50_000.0, 0.0])
    columns = {name: np.append(getattr(scene[0], name), getattr(scene[0], name)[:1]) for name in
               ("intensity", "return_number", "number_of_returns", "classification")}
    cloud = Cloud("stray", np.vstack([scene[0].xyz, far]), **columns)
    heights = ("height_above_ground", "height_above_low", "depth_below_top", "log_density")
    tracemalloc.start()
    features = compute_features(cloud, heights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6  # a dense grid of 50 km would take 20 GB
    np.testing.assert_allclose(features[:-1], compute_features(scene[0], heights), atol=1e-4)
    assert features[-1, :3].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("window", [1, 3, 31])
@pytest.mark.parametrize("extent", [(0.5, 0.5), (40, 3), (0.5, 90), (60, 60)])
def test_sparse_cells_and_a_dense_grid_are_bit_identical(window, extent):
    xyz = np.random.default_rng(7).uniform(-5, 1, (400, 3)) * [*extent, 30.0]
    where = tuple(np.floor(xyz[:, :2] - xyz[:, :2].min(axis=0)).astype(int).T)
    low = np.full([axis.max() + 1 for axis in where], np.inf)
    top = -low
    np.minimum.at(low, where, xyz[:, 2])
    np.maximum.at(top, where, xyz[:, 2])
    cells = Cells(xyz[:, :2], 1.0)
    assert cells.lowest(xyz[:, 2], window).tobytes() == minimum_filter(low, window, mode="nearest")[where].tobytes()
    assert cells.highest(xyz[:, 2], window).tobytes() == maximum_filter(top, window, mode="nearest")[where].tobytes()
