"""Weights files that refer to other files, to read them: they are refused, and the network contains no value of them."""

import h5py
import numpy as np
import pytest

from handler.run.weights_file import open_weights_file


def made(folder, kind):
    """Write a weights file whose only variable is stored in another file."""
    secret = np.full(4, 42, "float32")
    (folder / "secret").write_bytes(secret.tobytes())
    with h5py.File(folder / "other.h5", "w") as file:
        file["x"], file["vars/0"] = secret, secret
    path = folder / "hostile.weights.h5"
    with h5py.File(path, "w") as file:
        variables = file.create_group("layers/dense/vars") if kind != "a group" else None
        if kind == "bytes":
            variables.create_dataset("0", shape=(4,), dtype="float32", external=[(str(folder / "secret"), 0, 16)])
        elif kind == "a link":
            variables["0"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")
        elif kind == "a view":
            layout = h5py.VirtualLayout(shape=(4,), dtype="float32")
            layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", shape=(4,))
            variables.create_virtual_dataset("0", layout)
        else:
            file.create_group("layers/dense")["vars"] = h5py.ExternalLink(str(folder / "other.h5"), "/vars")
    return path


@pytest.mark.parametrize("kind", ["bytes", "a link", "a view", "a group"])
def test_weights_in_another_file_are_not_read(kind, tmp_path):
    with pytest.raises(ValueError, match="Not allowed: H5 file with"), open_weights_file(made(tmp_path, kind)) as file:
        file.variables("layers/dense")
