"""The header of a LAS file, checked against the size of the file."""

import pytest

from handler.data.las import read_cloud
from handler.data.las_header import read_header
from handler.errors import DataError


def test_a_header_describes_the_points_and_their_compression(tmp_path, scene, write_las):
    for suffix in (".las", ".laz"):
        header = read_header(write_las(scene[0], tmp_path / f"a{suffix}"), "data.source")
        assert (header.points, header.point_format, header.point_size) == (len(scene[0]), 8, 38)
        assert (header.compressed, bool(header.compression)) == (suffix == ".laz",) * 2
        assert not header.is_copc


def test_a_cloud_optimised_file_is_recognised_by_its_records(tmp_path, write_copc):
    header = read_header(write_copc(tmp_path / "a.copc.laz"), "data.source")
    assert header.is_copc
    assert header.has_wkt


def test_a_file_of_another_format_is_refused_by_name(tmp_path):
    (tmp_path / "fake.laz").write_bytes(b"LASX" + bytes(500))
    with pytest.raises(DataError, match=r"fake\.laz can't be read as LAS"):
        read_cloud(tmp_path / "fake.laz")


def test_more_points_than_the_file_holds_are_refused(tmp_path, scene, write_las):
    path = write_las(scene[0], tmp_path / "a.las")
    path.write_bytes(path.read_bytes()[:-38])
    count = len(scene[0])
    with pytest.raises(DataError, match=f"it says {count} points, and holds {count - 1}"):
        read_header(path, "data.source")
