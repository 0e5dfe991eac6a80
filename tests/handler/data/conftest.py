"""Small clouds, and the real tiles where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handler.data.cloud import Cloud
from handler.data.synthetic import synthetic_scene

CLASSES = {"ground": [2], "vegetation": [3, 4, 5], "building": [6]}
REAL = Path(__file__).parents[4] / "shared" / "data" / "ign_lidarhd_block"


@pytest.fixture(scope="session")
def scene():
    """Two small synthetic tiles."""
    return synthetic_scene(seed=5, tiles=2, size=30.0, density=6.0)


@pytest.fixture(scope="session")
def real_tiles():
    """The six real tiles, sorted by name."""
    if not REAL.is_dir():
        pytest.skip("the real lidar tiles (../shared/data/ign_lidarhd_block) aren't here")
    return sorted(REAL.glob("*.laz"))


@pytest.fixture
def make_cloud():
    """Builds a cloud from coordinates alone, everything else single first returns of class 2."""

    def build(xyz, classification=2, name="made"):
        n = len(xyz)
        ones = np.ones(n, np.uint8)
        return Cloud(name, np.asarray(xyz, np.float64), np.full(n, 100, np.float32), ones, ones,
                     np.broadcast_to(np.asarray(classification, np.uint8), n).copy())

    return build


@pytest.fixture
def write_las():
    """Writes a cloud as .las or .laz, with every further dimension of the point format filled with noise."""
    import laspy

    def write(cloud, path, point_format=8):
        rng = np.random.default_rng(len(cloud))
        header = laspy.LasHeader(point_format=point_format, version="1.4" if point_format >= 6 else "1.2")
        header.scales, header.offsets = [0.001] * 3, np.floor(cloud.xyz.min(axis=0))
        las = laspy.LasData(header)
        las.xyz = cloud.xyz
        las.intensity, las.classification = cloud.intensity.astype(np.uint16), cloud.classification
        las.return_number, las.number_of_returns = cloud.return_number, cloud.number_of_returns
        las.gps_time = rng.uniform(0, 1e5, len(cloud))
        las.user_data = rng.integers(0, 256, len(cloud)).astype(np.uint8)
        las.point_source_id = rng.integers(0, 60000, len(cloud)).astype(np.uint16)
        if point_format == 8:
            las.red, las.nir = (rng.integers(0, 60000, len(cloud)).astype(np.uint16) for _ in range(2))
            las.scan_angle = rng.integers(-5000, 5000, len(cloud)).astype(np.int16)
        las.write(path)
        return path

    return write
