"""Detection of NaN and infinite values in examples and targets from every kind of source."""

import numpy as np
import pytest
import zarr

from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.data import out_of_core
from handler.data.arrays import load_zarr
from handler.data.finite_check import FiniteCheck, check_finite
from handler.errors import DataError
from handler.store.arrays import content
from handler.store.store import Store
from tests.handler.conftest import spoilt


@pytest.mark.parametrize(
    ("array", "count", "row"),
    [
        (spoilt(np.ones((9, 2), np.float32), (4, 1)), 1, 4),
        (spoilt(np.ones((9, 2), np.float16), (slice(7, 9), 0), -np.inf), 2, 7),
        (spoilt(np.ones(9), 0, np.inf), 1, 0),
        (spoilt(np.ones((9, 2, 2)), (3, 1)), 2, 3),
    ],
)
def test_the_error_gives_the_count_and_the_first_row(array, count, row, monkeypatch):
    monkeypatch.setattr("handler.store.arrays.CHUNK_BYTES", 16)
    said = f"here: X has {count} values that are not finite .* the first in row {row}; "
    with pytest.raises(DataError, match=said):
        check_finite(array, "X", "here")
    check, digest = FiniteCheck("X", "here"), content(array)
    assert content(array, check.check) == digest, "looking changes no digest"
    with pytest.raises(DataError, match=said):
        check.require()


@pytest.mark.parametrize("array", [np.arange(4), np.array([True, False]), np.ones((3, 2)), np.ones((0, 2))])
def test_integers_and_finite_numbers_pass(array):
    check_finite(array, "X", "here")


def test_arrays_larger_than_memory_are_checked_while_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(out_of_core, "IN_MEMORY", 0)
    group = zarr.open_group(tmp_path / "d.zarr", mode="w")
    group.create_array("X", data=spoilt(np.ones((50, 3)), (33, 2), np.inf), chunks=(7, 3))
    group.create_array("y", data=np.arange(50), chunks=(7,))
    store = Store(tmp_path / "store")
    with pytest.raises(DataError, match=r"data.source: X0 has 1 values that are not finite .* in row 33"):
        out_of_core.make_random_access(load_zarr(tmp_path / "d.zarr", {}), {}, store.prefit, lambda done, of: None)
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()], "nothing is left"


@pytest.mark.parametrize("stored", [False, True], ids=["without a store", "with one"])
@pytest.mark.parametrize("which", ["X", "y", "X_val"])
def test_the_handler_refuses_non_finite_data_before_the_first_step(network, blobs, tmp_path, stored, which):
    x, y = blobs
    y = np.eye(3, dtype="float32")[y]
    good = {"X": x, "y": y, "X_val": x.copy()}
    good[which] = spoilt(good[which], 3)
    model = network()
    model.compile("adam", "categorical_crossentropy")
    mh = DLModelHandler(KerasArchitecture(model), training_epochs=1, validation_data=(good["X_val"], y))
    before = model.get_weights()
    place = "X and y_rf: y of the data" if which == "y" else which
    with pytest.raises(DataError, match=f"^{place} has . values that are not finite .* in row 3;"):
        DLTrainingHandler(store=tmp_path if stored else None)(mh, good["X"], good["y"], [])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
