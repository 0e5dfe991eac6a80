"""The digests of a training's arrays, which are checked while they are read."""

import numpy as np
import pytest

from handler.errors import DataError
from handler.fingerprint import data_digests
from handler.store.store import Store
from tests.handler.conftest import spoilt


def test_each_array_of_a_training_is_checked_with_its_digest():
    good, labels = np.ones((6, 2)), np.arange(6)
    bad = spoilt(good, (5, 0))
    data_digests.digests_of_data([good, good], labels, (good, labels), "")
    for given, name in [
        (([good, bad], labels, None), "data.source: X1 has 1 values"),
        ((good, spoilt(labels.astype(float), 2), None), "data.source: y has 1 values"),
        ((good, labels, (bad, labels)), "data.validation: X_val has 1 values"),
    ]:
        with pytest.raises(DataError, match=name):
            data_digests.digests_of_data(*given, "")


def test_unchecked_rows_of_an_older_version_are_checked(tmp_path):
    store = Store(tmp_path)
    arrays = {"X0": spoilt(np.ones((9, 2)), 4), "y": np.arange(9)}
    rows = store.prefit.write_rows("0" * 32, arrays, lambda done, of: None)
    assert not rows["X0"].looked_at
    with pytest.raises(DataError, match=r"X has 2 values that are not finite .* in row 4"):
        data_digests.digests_of_data(rows["X0"], rows["y"], None, "")
