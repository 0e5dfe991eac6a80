"""PointNet: each point is classified with the descriptor of its whole field."""

import numpy as np

from handler.arch.pointnet import PointNetPwiseClassif
from tests.handler.arch.networks import fields, make


def test_the_output_of_a_point_depends_on_the_other_points():
    arch, (X, _) = make(PointNetPwiseClassif), fields(1)
    moved = [part.copy() for part in X]
    moved[0][0, -1] = 9.0
    before, after = (arch.nn.predict_on_batch(part) for part in (X, moved))
    assert not np.allclose(before[0, 0], after[0, 0], atol=1e-4)


def test_a_network_without_features_has_coordinates_only():
    assert [tensor.name for tensor in make(PointNetPwiseClassif, features=0).nn.inputs] == ["xyz"]
    assert [tensor.name for tensor in make(PointNetPwiseClassif).nn.inputs] == ["xyz", "features"]
