"""Damaged data files: each is read or refused with one sentence, within seconds."""

import re
import shutil
import zipfile

import h5py
import laspy
import numpy as np
import pytest
import zarr

from handler.data import reader_process
from handler.data.data_spec import DataSpec
from handler.data.las import read_cloud, write_cloud
from handler.data.reader_process import ReaderFailed, check_hdf5
from handler.data.sources import load, shape
from handler.errors import DataError
from tests.handler.data.damages import SECONDS, check, damages


def las_file(path, count=60):
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales = [0.001] * 3
    header.add_extra_dim(laspy.ExtraBytesParams("amplitude", "float32"))
    header.vlrs.append(laspy.VLR("LASF_Projection", 2112, "", b'PROJCS["x",GEOGCS["g"],UNIT["metre",1]]\0'))
    las = laspy.LasData(header)
    las.xyz = np.random.default_rng(0).uniform(0, 9, (count, 3))
    las.classification = np.full(count, 2, np.uint8)
    las.write(path)
    return path


@pytest.mark.parametrize(("suffix", "flips"), [(".las", 150), (".laz", 45)])
def test_a_damaged_cloud_is_read_or_refused(tmp_path, monkeypatch, suffix, flips):
    monkeypatch.setattr(reader_process, "PATIENCE", SECONDS / 2)
    path = las_file(tmp_path / f"tile{suffix}")
    refused = []
    for what, content in damages(path.read_bytes(), flips=flips):
        path.write_bytes(content)
        refused.append(check(path, lambda: read_cloud(path), what))
    assert sum(refused) >= 10  # not all: a flipped coordinate is still a valid coordinate


@pytest.mark.parametrize("at", [0, 15, 32, 34 + 6 + 2])
def test_a_compression_record_that_aborts_a_reader_is_refused(tmp_path, monkeypatch, at):
    monkeypatch.setattr(reader_process, "PATIENCE", SECONDS / 2)
    path = las_file(tmp_path / "tile.laz")
    content = bytearray(path.read_bytes())
    record = content.index(b"laszip encoded") - 2 + 54
    content[record + at] = 0xFF
    path.write_bytes(content)
    assert check(path, lambda: read_cloud(path), "flipped")


def test_a_record_that_reaches_beyond_the_file_is_refused(tmp_path):
    path = las_file(tmp_path / "tile.las")
    content = bytearray(path.read_bytes())
    length = content.index(b"LASF_Projection") + 18
    content[length : length + 2] = b"\xff\xff"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"tile\.las can't be read as LAS \(record \d ends at byte \d+, beyond byte \d+\)"):
        read_cloud(path)


def test_a_damaged_source_leaves_no_output_file(tmp_path):
    path = las_file(tmp_path / "tile.laz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"tile\.laz can't be read"):
        write_cloud(path, tmp_path / "out.laz", np.full(60, 2))
    assert [file.name for file in tmp_path.iterdir()] == ["tile.laz"]


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_read_or_refused(tmp_path, write):
    path = tmp_path / "data.npz"
    write(path, X=np.arange(60, dtype="float32").reshape(20, 3), y=np.arange(20) % 2)

    def use():
        spec = DataSpec(source="data.npz")
        shape(spec, tmp_path)
        load(spec, tmp_path, seed=0)

    refused = []
    for what, content in damages(path.read_bytes(), flips=120):
        path.write_bytes(content)
        refused.append(check(path, use, what))
    assert sum(refused) > len(refused) / 3


def npy(shape, dtype="<f4", data=b""):
    """Return the bytes of an .npy member with an arbitrary header."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(("members", "message"), [
    ({"X.npy": npy("(1000000000, 1000000000)"), "y.npy": npy("(2,)", "<i8", bytes(16))}, "X says shape"),
    ({"X.npy": npy("(-3,)"), "y.npy": npy("(2,)", "<i8", bytes(16))}, "data.npz"),
    ({"X.npy": npy("(2,)", "|O", b"cos\nsystem\n"), "y.npy": npy("(2,)", "<i8", bytes(16))}, "data.npz"),
    ({"X.npy": npy("(2, 1)", "<f4", bytes(8))}, "has no y"),
    ({"X.npy": npy("(2, 1)", "<f4", bytes(8)), "y.npy": b"text"}, "can't be read as .npz"),
    ({"readme.txt": b"text"}, "can't be read as .npz"),
    ({}, "has no X"),
])
def test_an_archive_with_false_headers_is_refused(tmp_path, members, message):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=re.escape(message)):
        load(DataSpec(source="data.npz"), tmp_path, seed=0)


def test_an_archive_larger_than_memory_is_refused_before_reading(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "data.npz", X=np.zeros((1000, 1000), "float32"), y=np.zeros(1000, "int64"))
    monkeypatch.setattr("handler.memory.machine_memory", lambda: 1 << 20)
    with pytest.raises(DataError, match=r"data\.npz takes 0\.0 GB in memory"):
        load(DataSpec(source="data.npz"), tmp_path, seed=0)


def test_a_damaged_zarr_group_is_read_or_refused(tmp_path):
    whole, path = tmp_path / "whole.zarr", tmp_path / "data.zarr"
    group = zarr.open_group(whole, mode="w")
    rng = np.random.default_rng(0)
    for name, values in (("X", rng.normal(size=(40, 3)).astype("float32")), ("y", rng.integers(0, 2, 40))):
        group.create_array(name, data=values, chunks=(20, *values.shape[1:]))

    def use():
        spec = DataSpec(source="data.zarr")
        shape(spec, tmp_path)
        data = load(spec, tmp_path, seed=0)
        assert data.X[0][...].shape == data.X[0].shape
        assert len(data.y.oindex[np.array([3, 1])]) == 2

    refused = []
    for file in sorted(file for file in whole.rglob("*") if file.is_file()):
        for what, content in [*damages(file.read_bytes(), flips=9), ("deleted", None), ("a folder", None)]:
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(whole, path)
            target = path / file.relative_to(whole)
            target.unlink()
            if content is not None:
                target.write_bytes(content)
            elif what == "a folder":
                target.mkdir()
            refused.append(check(path, use, f"{file.relative_to(whole)}: {what}"))
    assert sum(refused) > len(refused) / 3


def test_a_damaged_hdf5_file_ends_only_its_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_process, "PATIENCE", SECONDS / 2)
    path = tmp_path / "some.weights.h5"
    with h5py.File(path, "w") as file:
        for i in range(3):
            file.create_dataset(f"layers/dense_{i}/vars/0", data=np.arange(40, dtype="f4").reshape(8, 5))
    check_hdf5(path)
    failed = 0
    for _, content in damages(path.read_bytes(), flips=2):
        path.write_bytes(content)
        try:
            check_hdf5(path)
        except ReaderFailed:
            failed += 1
    assert failed >= 3
