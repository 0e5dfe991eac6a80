import laspy
import numpy as np
import pytest

from handler.data.las import check_dimensions, check_output, read_cloud, write_cloud
from handler.errors import DataError


def test_a_written_cloud_is_read_back(tmp_path, scene, write_las):
    read = read_cloud(write_las(scene[0], tmp_path / "a.laz"))
    assert read.name == "a.laz"
    np.testing.assert_allclose(read.xyz, scene[0].xyz, atol=0.00051)
    for name in ("intensity", "return_number", "number_of_returns", "classification"):
        np.testing.assert_array_equal(getattr(read, name), getattr(scene[0], name))


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_writing_classes_changes_no_other_dimension(tmp_path, scene, write_las, suffix):
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


def test_only_a_laz_file_is_compressed(tmp_path, scene, write_las):
    for suffix in (".las", ".laz"):
        source = write_las(scene[0], tmp_path / f"in{suffix}")
        write_cloud(source, tmp_path / f"out{suffix}", np.full(len(scene[0]), 2))
        with laspy.open(tmp_path / f"out{suffix}") as reader:
            assert reader.header.are_points_compressed == (suffix == ".laz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.las", "in.laz", "out.las", "out.laz"]


def test_an_output_of_another_file_type_is_refused(tmp_path, scene, write_las):
    source = write_las(scene[0], tmp_path / "in.laz")
    with pytest.raises(DataError, match=r"out\.las has another suffix.*end it in \.laz"):
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


def test_a_truncated_file_is_refused_by_name(tmp_path, scene, write_las):
    path = write_las(scene[0], tmp_path / "cut.laz")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"cut\.laz"):
        read_cloud(path)


def test_a_file_without_points_is_refused(tmp_path):
    laspy.LasData(laspy.LasHeader(point_format=8, version="1.4")).write(tmp_path / "empty.las")
    with pytest.raises(DataError, match=r"empty\.las has no points"):
        read_cloud(tmp_path / "empty.las")


def test_the_real_tiles_have_the_documented_classes(real_tiles):
    clouds = [read_cloud(path) for path in real_tiles]
    codes, counts = np.unique(np.concatenate([cloud.classification for cloud in clouds]), return_counts=True)
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {
        1: 16603, 2: 163898, 3: 7903, 4: 10820, 5: 97148, 6: 109355, 64: 210}


@pytest.mark.parametrize("point_format", [6, 7, 8])
def test_a_cloud_optimised_file_is_written_as_plain_laz(tmp_path, write_copc, point_format):
    source, output = write_copc(tmp_path / "in.copc.laz", point_format), tmp_path / "out.laz"
    note = write_cloud(source, output, np.arange(500) % 200)
    assert note == "in.copc.laz is cloud-optimised (COPC); out.laz is plain LAZ"
    before, after = laspy.read(source), laspy.read(output)
    assert {(r.user_id, r.record_id) for r in after.vlrs} == {("LASF_Projection", 2112), ("LASF_Spec", 4)}
    assert [(r.user_id, r.record_id, r.record_data) for r in after.evlrs] == [("mine", 8, b"kept" * 20_000)]
    assert after.header.global_encoding.wkt
    for name in before.point_format.dimension_names:
        if name != "classification":
            np.testing.assert_array_equal(np.asarray(after[name]), np.asarray(before[name]), err_msg=name)
    np.testing.assert_array_equal(after.classification, np.arange(500) % 200)
    np.testing.assert_array_equal(read_cloud(source).xyz, read_cloud(output).xyz)


def test_an_unsupported_output_is_refused_before_the_prediction(tmp_path, write_copc):
    source = write_copc(tmp_path / "in.copc.laz")
    with pytest.raises(DataError, match=r"out\.copc\.laz has the name of a cloud-optimised file.*name it out\.laz"):
        check_output(source, tmp_path / "out.copc.laz", [2])
    with pytest.raises(DataError, match=r"out\.las has another suffix"):
        check_output(source, tmp_path / "out.las", [2])
    check_output(source, tmp_path / "out.laz", [2, 255])


def test_any_dimension_of_a_file_is_available_as_a_feature(tmp_path, write_copc):
    path = write_copc(tmp_path / "a.laz", 8)
    cloud, file = read_cloud(path, features=["red", "intensity", "amplitude", "gps_time"]), laspy.read(path)
    assert list(cloud.dimensions) == ["red", "amplitude", "gps_time"]  # intensity is a computed feature, not a dimension
    np.testing.assert_array_equal(cloud.dimensions["red"], file.red)
    np.testing.assert_array_equal(cloud.dimensions["amplitude"], file.amplitude)
    np.testing.assert_array_equal(cloud.dimensions["gps_time"], file.gps_time - file.gps_time.min())


def test_a_dimension_with_several_values_is_addressed_by_index(tmp_path):
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.add_extra_dim(laspy.ExtraBytesParams("normal", "3int16", scales=np.full(3, 0.5), offsets=np.ones(3)))
    las = laspy.LasData(header)
    las.xyz = np.zeros((2, 3))
    las["normal"] = np.array([[1.0, 2.5, 3.0], [4.0, 5.0, 6.0]])
    las.write(tmp_path / "a.las")
    assert read_cloud(tmp_path / "a.las", features=["normal[1]"]).dimensions["normal[1]"].tolist() == [2.5, 5.0]
    with pytest.raises(DataError, match=r"no such dimension in .*a\.las; did you mean .*'normal\[2\]'"):
        read_cloud(tmp_path / "a.las", features=["normal"])


def test_an_unknown_dimension_is_refused_with_a_suggestion(tmp_path, write_copc):
    colours, plain = write_copc(tmp_path / "colours.laz", 8), write_copc(tmp_path / "plain.laz", 6)
    with pytest.raises(DataError, match=r"no feature 'rad' and no such dimension in .*colours\.laz; did you mean 'red'"):
        check_dimensions([colours, plain], ["rad"], "data.source")
    with pytest.raises(DataError, match=r"no such dimension in .*plain\.laz; its dimensions are: intensity.*amplitude$"):
        check_dimensions([plain], ["zzz"], "data.source")


def test_a_dimension_that_one_file_lacks_is_refused(tmp_path, write_copc):
    colours, plain = write_copc(tmp_path / "colours.laz", 8), write_copc(tmp_path / "plain.laz", 6)
    with pytest.raises(DataError, match=r"plain\.laz has no dimension 'nir', which .*colours\.laz has"):
        check_dimensions([colours, plain], ["intensity", "amplitude", "nir"], "data.source")


def test_a_non_finite_dimension_is_refused_with_its_first_row(tmp_path):
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.add_extra_dim(laspy.ExtraBytesParams("amplitude", "float32"))
    las = laspy.LasData(header)
    las.xyz, las["amplitude"] = np.zeros((3, 3)), np.array([0.0, np.nan, 1.0])
    las.write(tmp_path / "a.las")
    with pytest.raises(DataError, match=r"amplitude of .*a\.las has 1 values that are not finite .*row 1"):
        read_cloud(tmp_path / "a.las", features=["amplitude"])
