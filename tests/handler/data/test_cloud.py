"""Clouds in memory: the labels and the codes of their points."""

import numpy as np
import pytest

from handler.data.cloud import codes_of, labels_of, remove_codes
from handler.errors import DataError
from tests.handler.data.conftest import CLASSES


def test_codes_outside_the_mapping_are_ignored_labels(make_cloud):
    cloud = make_cloud(np.zeros((7, 3)), [1, 2, 3, 4, 5, 6, 64])
    labels = labels_of(cloud, CLASSES)
    assert labels.dtype == np.int32
    assert labels.tolist() == [-1, 0, 1, 1, 1, 2, -1]


def test_a_label_is_written_as_the_first_code_of_its_class():
    assert codes_of(np.array([[0, 1], [2, 1]]), CLASSES).tolist() == [[2, 3], [6, 3]]


def test_removed_codes_take_their_points_out_of_every_column(make_cloud):
    cloud = make_cloud(np.arange(12).reshape(4, 3), [2, 7, 6, 18])
    kept = remove_codes(cloud, [7, 18], "data.source")
    assert kept.xyz[:, 0].tolist() == [0, 6]
    assert kept.classification.tolist() == [2, 6]
    assert {len(getattr(kept, name)) for name in ("intensity", "return_number", "number_of_returns")} == {2}
    assert remove_codes(kept, [7, 18], "data.source") is kept


def test_a_cloud_of_nothing_but_noise_is_refused_by_name(make_cloud):
    cloud = make_cloud(np.zeros((9, 3)), 7, name="noise.las")
    with pytest.raises(DataError, match=r"every point of noise\.las has a code of data\.args\.leave_out \(7, 18\)"):
        remove_codes(cloud, [7, 18], "data.source")
