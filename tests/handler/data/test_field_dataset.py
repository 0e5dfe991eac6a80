"""Receptive fields from clouds: without noise points, in metres, with any dimension of the file as a feature."""

import tracemalloc

import laspy
import numpy as np
import pytest

from handler.data.arguments import CloudArguments, SceneArguments
from handler.data.cloud import Cloud, remove_codes
from handler.data.data_spec import DataSpec
from handler.data.field_dataset import fields_key, file_source, scene_source
from handler.data.inference import predict_cloud
from handler.data.las import read_cloud
from handler.data.sources import check_clouds, load, shape
from handler.errors import SpecError
from tests.handler.data.conftest import same

ARGS = {"receptive_fields": {"radius": 4.0, "points": 64, "count": 6}, "features": ["height_above_ground", "z_std_16"]}


def noisy(scene):
    """Return the first tile with 20 points of low noise appended, 30 m below the ground."""
    clean = scene[0]
    chosen = np.random.default_rng(3).choice(len(clean), 20, replace=False)
    columns = {name: np.concatenate([getattr(clean, name), getattr(clean, name)[chosen]])
               for name in ("intensity", "return_number", "number_of_returns")}
    xyz = np.concatenate([clean.xyz, clean.xyz[chosen] - [0, 0, 30]])
    return Cloud("noisy", xyz, classification=np.append(clean.classification, np.full(20, 7, np.uint8)), **columns)


def test_left_out_points_affect_neither_features_nor_fields(tmp_path, scene, write_las):
    noise = np.isin(scene[0].classification, [7, 18])
    write_las(remove_codes(scene[0], [7, 18], ""), tmp_path / "clean.las")
    write_las(noisy(scene), tmp_path / "noisy.las")
    args = ARGS | {"leave_out": [7, 18]}
    clean, cleaned = (load(DataSpec(source=f"{name}.las", args=args), tmp_path, seed=1) for name in ("clean", "noisy"))
    assert noise.any()
    assert same(clean, cleaned)
    assert cleaned.preparation["leave_out"] == [7, 18]
    assert not same(clean, load(DataSpec(source="noisy.las", args=ARGS), tmp_path, seed=1))
    assert "leave_out" not in load(DataSpec(source="clean.las", args=ARGS), tmp_path, seed=1).preparation


def test_a_dimension_is_a_feature_of_the_fields(tmp_path, scene, write_las):
    write_las(scene[0], tmp_path / "a.laz")
    spec = DataSpec(source="a.laz", args=ARGS | {"features": ["intensity", "red", "user_data"]})
    assert load(spec, tmp_path, seed=1).X[1].shape[-1] == shape(spec, tmp_path).inputs[1][0][-1] == 3
    with pytest.raises(SpecError, match=r"data\.args\.features.*no feature 'redd'.*did you mean 'red'"):
        check_clouds(DataSpec(source="a.laz", args=ARGS | {"features": ["redd"]}), tmp_path)


def test_fields_in_feet_equal_those_in_metres_under_another_key(tmp_path, scene, write_las):
    las = laspy.read(write_las(scene[0], tmp_path / "metres.las"))
    las.header.scales = las.header.scales / 0.3048
    las.header.offsets = las.header.offsets / 0.3048
    las.points.scales, las.points.offsets = las.header.scales, las.header.offsets
    las.header.vlrs.append(laspy.VLR("LASF_Projection", 2112, "", b'PROJCS["x",GEOGCS["g"],UNIT["foot",0.3048]]'))
    las.write(tmp_path / "feet.las")
    metres, feet = (load(DataSpec(source=f"{name}.las", args=ARGS), tmp_path, seed=1) for name in ("metres", "feet"))
    np.testing.assert_allclose(feet.X[0], metres.X[0], atol=1e-4)
    identities = [file_source([tmp_path / f"{name}.las"], "").identity[0] for name in ("metres", "feet")]
    assert isinstance(identities[0], str)
    assert identities[1]["metres"] == [0.3048, 0.3048]


def test_a_point_50_km_away_costs_memory_for_one_point(tmp_path, scene, write_las):
    columns = {name: np.append(getattr(scene[0], name), getattr(scene[0], name)[:1]) for name in
               ("intensity", "return_number", "number_of_returns", "classification")}
    xyz = np.vstack([scene[0].xyz, scene[0].xyz[0] + np.array([50_000.0, -50_000.0, 0.0])])
    write_las(Cloud("stray", xyz, **columns), tmp_path / "stray.las")
    tracemalloc.start()
    data = load(DataSpec(source="stray.las", args=ARGS), tmp_path, seed=1)
    probabilities = predict_cloud(lambda X: np.full((*X[0].shape[:2], 3), 1 / 3, np.float32),
                          read_cloud(tmp_path / "stray.las"), data.preparation)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6  # 10 000 points; a grid over the extent would take 20 GB
    assert len(probabilities) == len(xyz)
    np.testing.assert_allclose(probabilities, 1 / 3, atol=1e-6)


def test_fields_without_left_out_codes_keep_their_key():
    given = scene_source(SceneArguments()), None
    assert fields_key(*given, CloudArguments(), 0) == "00db2084153132038bea0bc067fd244d"  # the key of these fields in older stores
    assert fields_key(*given, CloudArguments(leave_out=[7]), 0) != fields_key(*given, CloudArguments(leave_out=[18]), 0)
