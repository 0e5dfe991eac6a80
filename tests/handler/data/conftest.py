"""Fixtures: small arrays and clouds, and the real tiles if they are present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handler.data.cloud import Cloud
from handler.data.synthetic import synthetic_scene

CLASSES = {"ground": [2], "vegetation": [3, 4, 5], "building": [6]}
COPC_INFO, COPC_HIERARCHY = 1, 1000
REAL = Path(__file__).parents[4] / "shared" / "data" / "ign_lidarhd_block"


@pytest.fixture(scope="session")
def scene():
    """Return two small synthetic tiles."""
    return synthetic_scene(seed=5, tiles=2, size=30.0, density=6.0)


@pytest.fixture(scope="session")
def real_tiles():
    """Return the six real tiles, sorted by name."""
    if not REAL.is_dir():
        pytest.skip("the real lidar tiles (../shared/data/ign_lidarhd_block) aren't here")
    return sorted(REAL.glob("*.laz"))


@pytest.fixture
def tiles(tmp_path, scene, write_las):
    """Return the files of the two synthetic tiles, `tiles/a.laz` and `tiles/b.laz`."""
    (tmp_path / "tiles").mkdir()
    return [write_las(cloud, tmp_path / "tiles" / f"{name}.laz") for name, cloud in zip("ab", scene, strict=True)]


def same(one, other):
    """Return whether two datasets have bit-identical inputs and targets."""
    first, second = ([part.tobytes() for part in (*data.X, data.y)] for data in (one, other))
    return first == second


@pytest.fixture
def arrays():
    """Return inputs (10, 4) float32 and labels of three classes (10,) int64."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(10, 4)).astype("float32"), rng.integers(0, 3, 10)


@pytest.fixture
def make_cloud():
    """Return a function that builds a cloud from coordinates; all points are single first returns of class 2."""

    def build(xyz, classification=2, name="made"):
        n = len(xyz)
        ones = np.ones(n, np.uint8)
        return Cloud(name, np.asarray(xyz, np.float64), np.full(n, 100, np.float32), ones, ones,
                     np.broadcast_to(np.asarray(classification, np.uint8), n).copy())

    return build


@pytest.fixture
def write_las():
    """Return a function that writes a cloud as .las or .laz, with noise in all other dimensions of the point format."""
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


@pytest.fixture
def write_copc():
    """Return a function that writes 500 points as a .copc.laz.

    The file has chunks of unequal length, the records of the index, and other records, which must be preserved.
    """
    import laspy
    import lazrs
    from laspy._compression.lazrsbackend import LazrsBackend
    from laspy.vlrs.vlrlist import VLRList

    class InChunks(LazrsBackend):
        def create_writer(self, dest, header):
            writer = super().create_writer(dest, header)
            sizes = header.point_format.id, header.point_format.num_extra_bytes
            writer.vlr, writer.parallel = lazrs.LazVlr.new_for_compression(*sizes, use_variable_size_chunks=True), False
            return writer

    def write(path, point_format=6, codes=None):
        rng = np.random.default_rng(point_format)
        header = laspy.LasHeader(point_format=point_format, version="1.4")
        header.scales, header.global_encoding.wkt = [0.001] * 3, True
        header.add_extra_dim(laspy.ExtraBytesParams("amplitude", "float32"))
        header.vlrs.append(laspy.VLR("INFO", COPC_INFO, "", bytes(160)))  # laspy refuses to write a record of the user "copc"
        header.vlrs.append(laspy.VLR("LASF_Projection", 2112, "", b'PROJCS["x",GEOGCS["g"],UNIT["metre",1]]\0'))
        points = laspy.ScaleAwarePointRecord.zeros(500, header=header)
        points.x, points.y, points.z = rng.uniform(0, 20, (3, 500))
        points["amplitude"], points["gps_time"] = rng.random(500), rng.random(500)
        points["classification"][:] = rng.choice([2, 6], 500).astype(np.uint8) if codes is None else codes
        for name in {"red", "nir"} & set(header.point_format.dimension_names):
            points[name] = rng.integers(0, 60000, 500).astype(np.uint16)
        with laspy.open(path, "w", header=header, laz_backend=InChunks(), do_compress=True) as writer:
            for begin, end in ((0, 70), (70, 71), (71, 500)):
                writer.write_points(points[begin:end])
                writer.point_writer.compressor.finish_current_chunk()
            kept = laspy.VLR("mine", 8, "a long one", b"kept" * 20_000)
            writer.write_evlrs(VLRList([laspy.VLR("copc", COPC_HIERARCHY, "", bytes(64)), kept]))
        path.write_bytes(path.read_bytes().replace(b"INFO", b"copc"))
        return path

    return write
