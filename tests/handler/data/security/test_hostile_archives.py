"""Archives crafted to run code, overwrite files or exhaust memory: refused with one sentence, nothing is unpacked."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from handler.data import sources
from handler.data.data_spec import DataSpec
from handler.errors import FrostlineError


class Runs:
    """An object that creates the canary file when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


def npy(array=None, *, header=None):
    if header is None:
        written = io.BytesIO()
        np.save(written, array, allow_pickle=True)
        return written.getvalue()
    text = header.encode() + b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


X, Y = npy(np.ones((8, 6), "float32")), npy(np.arange(8) % 3)
BOMB = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 8)}"


def archives(canary):
    """Return the members of each archive and the pattern of the expected message."""
    objects = npy(np.array([Runs(canary)], dtype=object))
    return {
        "an object": ({"X.npy": objects, "y.npy": Y}, "no objects|Object arrays"),
        "a pickle": ({"X.npy": pickle.dumps(Runs(canary)), "y.npy": Y}, "can't be read"),
        "labels of objects": ({"X.npy": X, "y.npy": objects}, "no objects|Object arrays"),
        "a structure with objects": ({"X.npy": npy(header="{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (8,)}") + pickle.dumps(Runs(canary)), "y.npy": Y}, "."),
        "code for a header": ({"X.npy": npy(header=f"open({str(canary)!r}, 'w')"), "y.npy": Y}, "can't be read"),
        "more than memory": ({"X.npy": npy(header=BOMB % 2**40), "y.npy": Y}, "in memory, this machine has|says shape"),
        "a negative size": ({"X.npy": npy(header=BOMB % -1), "y.npy": Y}, "."),
        "sizes that overflow": ({"X.npy": npy(header=BOMB % 2**62), "y.npy": Y}, "."),
        "less than it declares": ({"X.npy": npy(header=BOMB % 8), "y.npy": Y}, "can't be read"),
        "a name that leads out": ({"../CANARY.npy": X, "../../CANARY": b"x", "y.npy": Y}, "can't be read|X"),
        "an absolute name": ({str(canary): b"x", "y.npy": Y}, "can't be read|X"),
    }  # fmt: skip


@pytest.mark.parametrize("tried", archives(""))
def test_a_hostile_npz_is_refused_without_being_unpacked(tried, tmp_path):
    canary = tmp_path / "CANARY"
    members, said = archives(canary)[tried]
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "d.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(FrostlineError, match=said) as refused:
        sources.load(DataSpec(source="d.npz"), tmp_path / "in", 1)
    assert "\n" not in str(refused.value)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["d.npz"]


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("X.npy", "w") as member:
            member.write(npy(header=BOMB % 2**35))
            for _ in range(64):
                member.write(bytes(2**20))
        archive.writestr("y.npy", Y)
    assert (tmp_path / "d.npz").stat().st_size < 2**17
    with pytest.raises(FrostlineError, match=r"in memory, this machine has|says shape"):
        sources.load(DataSpec(source="d.npz"), tmp_path, 1)
