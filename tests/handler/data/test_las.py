import laspy
import numpy as np
import pytest

from handler.data.cloud import codes_of, labels_of
from handler.data.las import read_cloud, write_cloud
from handler.errors import DataError
from tests.handler.data.conftest import CLASSES


def test_a_file_reads_back_as_the_cloud_that_was_written(tmp_path, scene, write_las):
    read = read_cloud(write_las(scene[0], tmp_path / "a.laz"))
    assert read.name == "a.laz"
    np.testing.assert_allclose(read.xyz, scene[0].xyz, atol=0.00051)
    for name in ("intensity", "return_number", "number_of_returns", "classification"):
        np.testing.assert_array_equal(getattr(read, name), getattr(scene[0], name))


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_classifying_keeps_every_point_and_every_other_dimension(tmp_path, scene, write_las, suffix):
    source = write_las(scene[0], tmp_path / f"in{suffix}")
    codes = np.arange(len(scene[0])) % 7
    write_cloud(source, tmp_path / f"out{suffix}", codes)
    before, after = laspy.read(source), laspy.read(tmp_path / f"out{suffix}")
    assert list(after.point_format.dimension_names) == list(before.point_format.dimension_names)
    for name in before.point_format.dimension_names:
        if name != "classification":
            np.testing.assert_array_equal(np.asarray(after[name]), np.asarray(before[name]), err_msg=name)
    np.testing.assert_array_equal(after.classification, codes)
    np.testing.assert_array_equal(after.header.scales, before.header.scales)
    np.testing.assert_array_equal(after.header.offsets, before.header.offsets)


def test_what_is_called_laz_is_compressed_and_what_is_called_las_is_not(tmp_path, scene, write_las):
    for suffix in (".las", ".laz"):
        source = write_las(scene[0], tmp_path / f"in{suffix}")
        write_cloud(source, tmp_path / f"out{suffix}", np.full(len(scene[0]), 2))
        with laspy.open(tmp_path / f"out{suffix}") as reader:
            assert reader.header.are_points_compressed == (suffix == ".laz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.las", "in.laz", "out.las", "out.laz"]


def test_another_kind_of_file_is_refused_as_output(tmp_path, scene, write_las):
    source = write_las(scene[0], tmp_path / "in.laz")
    with pytest.raises(DataError, match=r"out\.las is of another kind.*end it in \.laz"):
        write_cloud(source, tmp_path / "out.las", np.full(len(scene[0]), 2))


def test_a_code_that_the_point_format_cannot_hold_is_refused(tmp_path, scene, write_las):
    source = write_las(scene[0], tmp_path / "in.las", point_format=1)
    with pytest.raises(DataError, match="code 64 does not fit point format 1"):
        write_cloud(source, tmp_path / "out.las", np.full(len(scene[0]), 64))
    assert not (tmp_path / "out.las").exists()


def test_too_few_classes_for_the_points_are_refused(tmp_path, scene, write_las):
    source = write_las(scene[0], tmp_path / "in.las")
    with pytest.raises(DataError, match=f"3 classes for the {len(scene[0])} points"):
        write_cloud(source, tmp_path / "out.las", np.array([2, 2, 2]))


def test_what_is_no_las_file_is_refused_by_name(tmp_path):
    (tmp_path / "fake.laz").write_bytes(b"LASX" + bytes(500))
    with pytest.raises(DataError, match=r"fake\.laz can't be read as LAS"):
        read_cloud(tmp_path / "fake.laz")


def test_a_truncated_file_is_refused_by_name(tmp_path, scene, write_las):
    path = write_las(scene[0], tmp_path / "cut.laz")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cut\.laz"):
        read_cloud(path)


def test_a_file_without_points_is_refused(tmp_path):
    laspy.LasData(laspy.LasHeader(point_format=8, version="1.4")).write(tmp_path / "empty.las")
    with pytest.raises(DataError, match=r"empty\.las has no points"):
        read_cloud(tmp_path / "empty.las")


def test_codes_outside_the_mapping_are_ignored_labels(make_cloud):
    cloud = make_cloud(np.zeros((7, 3)), [1, 2, 3, 4, 5, 6, 64])
    labels = labels_of(cloud, CLASSES)
    assert labels.dtype == np.int32
    assert labels.tolist() == [-1, 0, 1, 1, 1, 2, -1]
    assert codes_of(np.array([0, 1, 2]), CLASSES).tolist() == [2, 3, 6]


def test_the_real_tiles_hold_what_their_readme_says(real_tiles):
    clouds = [read_cloud(path) for path in real_tiles]
    codes, counts = np.unique(np.concatenate([cloud.classification for cloud in clouds]), return_counts=True)
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {
        1: 16603, 2: 163898, 3: 7903, 4: 10820, 5: 97148, 6: 109355, 64: 210}
