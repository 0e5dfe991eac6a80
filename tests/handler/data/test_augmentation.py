import numpy as np

from handler.arch.hierarchy import build_hierarchy
from handler.data.augmentation import Augmentation


def batch():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(4, 60, 3)).astype("float32"), rng.normal(size=(4, 60, 5)).astype("float32")]


def test_augmentation_does_not_change_its_inputs():
    inputs = batch()
    before = [part.copy() for part in inputs]
    out = Augmentation()(inputs, np.random.default_rng(0))
    assert [part.tobytes() for part in inputs] == [part.tobytes() for part in before]
    for given, made in zip(inputs, out, strict=True):
        assert not np.shares_memory(given, made)
        assert not np.array_equal(given, made)
    assert [part.dtype for part in out] == [np.float32, np.float32]


def test_augmentation_is_a_function_of_its_inputs_and_the_generator():
    one, same, other = (Augmentation()(batch(), np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, same, strict=True))
    assert one[0].tobytes() != other[0].tobytes()


def test_augmentation_transforms_a_field_as_a_whole():
    inputs = batch()
    out = Augmentation()(inputs, np.random.default_rng(2))[0]
    for before, after in zip(inputs[0].astype(float), out.astype(float), strict=True):
        factor = after[:, 2] / before[:, 2]
        np.testing.assert_allclose(factor, factor[0], rtol=1e-4)
        assert 0.9 <= factor[0] <= 1.1
        apart = [np.linalg.norm(xyz[:, None] - xyz[None], axis=2) for xyz in (before, after)]
        np.testing.assert_allclose(apart[1], apart[0] * factor[0], rtol=1e-3, atol=1e-4)


def test_index_tables_stay_valid_under_augmentation():
    xyz = np.random.default_rng(3).normal(size=(4, 128, 3)).astype("float32")
    turned = Augmentation()([xyz], np.random.default_rng(4))[0]
    one, other = (build_hierarchy(part, (128, 32, 8), 4) for part in (xyz, turned))
    assert np.mean(one["neighbours1"] == other["neighbours1"]) > 0.999  # rounding may swap two equally distant points
    np.testing.assert_array_equal(one["sample2"], other["sample2"])


def test_augmentation_without_options_changes_nothing():
    inputs = batch()
    out = Augmentation(rotate=False, mirror=False, scale=(1.0, 1.0), feature_noise=0.0)(inputs, np.random.default_rng(0))
    np.testing.assert_allclose(out[0], inputs[0], rtol=1e-6)
    np.testing.assert_array_equal(out[1], inputs[1])
