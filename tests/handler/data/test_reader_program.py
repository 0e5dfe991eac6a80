"""The program that reads HDF5 files for another process."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from handler.data.reader_program import read_hdf5


def hdf5(broken):
    file = io.BytesIO()
    with h5py.File(file, "w") as group:
        group["layers/dense/0"] = np.arange(40.0)
    content = file.getvalue()
    return content[: len(content) // 2] if broken else content


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "truncated"])
def test_every_hdf5_file_of_a_keras_file_is_read(tmp_path, broken):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("first.weights.h5", hdf5(broken=False))
        archive.writestr("second.weights.h5", hdf5(broken))
    if broken:
        with pytest.raises(OSError, match="truncated file"):
            read_hdf5(str(tmp_path / "a.keras"))
    else:
        read_hdf5(str(tmp_path / "a.keras"))
