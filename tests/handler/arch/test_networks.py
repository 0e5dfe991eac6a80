"""Both networks over receptive fields: they build, learn, save and load."""

import json

import numpy as np
import pytest

from handler.arch.conv_autoencoder import ConvAutoencPwiseClassif
from handler.arch.neighbourhoods import GatherPoints, NeighbourhoodMax
from handler.arch.pointnet import PointNetPwiseClassif
from handler.errors import SpecError

SHAPE = {"points": 64, "features": 2, "classes": 3}
SMALL = {
    ConvAutoencPwiseClassif: {"widths": (8, 8, 16), "levels": (64, 16, 4), "neighbours": 4, "reach": (0.2, 0.4, 0.8)},
    PointNetPwiseClassif: {"encoder": (16,), "bottleneck": (16,), "decoder": (16, 8)},
}
BOTH = pytest.mark.parametrize("kind", SMALL, ids=lambda kind: kind.__name__)


def make(kind, **args):
    import keras

    keras.utils.set_random_seed(1)
    arch = kind(**{**SHAPE, **SMALL[kind], **args})
    arch.build()
    return arch


def fields(n=16, features=2):
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-1, 1, (n, 64, 3)).astype("float32")
    y = np.digitize(xyz[..., 2], [-0.3, 0.3]).astype("int32")
    return [xyz, rng.normal(size=(n, 64, features)).astype("float32")][: 2 if features else 1], y


def inputs_of(arch, X):
    return arch.inputs(X, arch.structure_for(X))


@BOTH
def test_the_output_is_a_probability_of_each_class_for_each_point(kind):
    arch, (X, _) = make(kind), fields()
    out = arch.nn.predict_on_batch(inputs_of(arch, X))
    assert out.shape == (16, 64, 3)
    np.testing.assert_allclose(out.sum(axis=-1), 1.0, atol=1e-5)


@BOTH
def test_a_network_accepts_coordinates_without_features(kind):
    arch, (X, _) = make(kind, features=0), fields(features=0)
    assert arch.nn.predict_on_batch(inputs_of(arch, X)).shape == (16, 64, 3)


@BOTH
def test_building_twice_gives_the_same_network_object(kind):
    arch = kind(**SHAPE, **SMALL[kind])
    assert not arch.is_built()
    nn = arch.build()
    assert arch.is_built()
    assert arch.build() is nn


@BOTH
def test_a_loaded_network_predicts_like_the_saved_one(kind, tmp_path):
    import keras

    arch, (X, _) = make(kind), fields()
    arch.nn.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    inputs = inputs_of(arch, X)
    np.testing.assert_array_equal(loaded.predict_on_batch(inputs), arch.nn.predict_on_batch(inputs))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in arch.nn.layers]


@BOTH
def test_training_on_coordinates_reduces_the_loss(kind):
    import keras

    arch, (X, y) = make(kind), fields(32)
    arch.nn.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    inputs = inputs_of(arch, X)
    losses = [float(arch.nn.train_on_batch(inputs, y)) for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]


@BOTH
def test_predictions_follow_a_permutation_of_the_points(kind):
    arch, (X, _) = make(kind), fields()
    order = np.random.default_rng(5).permutation(64)
    shuffled = [part[:, order] for part in X]
    one, other = (arch.nn.predict_on_batch(inputs_of(arch, part)) for part in (X, shuffled))
    np.testing.assert_allclose(other, one[:, order], atol=1e-4)


def config_of(kind, classes=3):
    return kind(**{**SHAPE, "classes": classes}, **SMALL[kind]).get_config()


@BOTH
def test_the_configuration_is_plain_json(kind):
    assert json.loads(json.dumps(config_of(kind))) == config_of(kind)


@BOTH
def test_configurations_of_different_networks_differ(kind):
    assert config_of(kind, 3) != config_of(kind, 4)


@BOTH
def test_layer_names_have_the_prefixes_that_schedules_use(kind):
    names = {layer.name for layer in make(kind).nn.layers if layer.weights}
    parts = {"enc", "mid", "dec", "head"} if kind is ConvAutoencPwiseClassif else {"enc", "global", "dec", "head"}
    assert {next((part for part in parts if name.startswith(part)), name) for name in names} == parts


def test_the_autoencoder_has_layers_for_every_level():
    names = {layer.name for layer in make(ConvAutoencPwiseClassif).nn.layers if layer.weights}
    for level in (1, 2, 3):
        assert {f"enc{level}_edge", f"enc{level}_bn", f"enc{level}_dense", f"dec{level}_bn", f"dec{level}_skip"} <= names


def test_relative_features_are_invariant_under_translation():
    import keras

    arch, (X, _) = make(ConvAutoencPwiseClassif), fields()
    relative = keras.Model(arch.nn.inputs, arch.nn.get_layer("enc1_relative").output)
    structure = arch.structure_for(X)
    moved = [X[0] + np.float32([0.5, -0.25, 1.0]), X[1]]
    one = relative.predict_on_batch(arch.inputs(X, structure))
    arch.nn.get_layer("enc1_edge").kernel.assign(
        np.concatenate([np.zeros((3, 8)), arch.nn.get_layer("enc1_edge").kernel.numpy()[3:]]))
    fixed = [relative.predict_on_batch(arch.inputs(part, structure)) for part in (X, moved)]
    np.testing.assert_allclose(fixed[0], fixed[1], atol=1e-4)
    assert not np.allclose(one, fixed[0])


def test_prefit_computes_the_structure_and_posfit_removes_it():
    arch, (X, y) = make(ConvAutoencPwiseClassif), fields()
    cache_map = {"X": X, "y": y}
    arch.prefit_logic_callback(cache_map)
    structure = cache_map["structure"]
    assert arch.structure is structure
    arch.prefit_logic_callback(cache_map)
    assert cache_map["structure"] is structure
    for _ in range(2):
        arch.posfit_logic_callback(cache_map)
        assert cache_map["digest"]["fields"] == 16
        assert cache_map["digest"]["levels"] == [64, 16, 4]
        assert "structure" not in cache_map
        assert arch.structure == {}


def test_only_the_autoencoder_needs_a_backup_for_training_in_place():
    assert make(ConvAutoencPwiseClassif).needs_fit_backup is True
    assert make(PointNetPwiseClassif).needs_fit_backup is False


@pytest.mark.parametrize(("kind", "args", "message"), [
    (ConvAutoencPwiseClassif, {"levels": (32, 16, 4)}, r"model\.args\.levels: 32 is not the points.*start with 64"),
    (ConvAutoencPwiseClassif, {"levels": (64, 64, 4)}, r"model\.args\.levels: \[64, 64, 4\] does not decrease"),
    (ConvAutoencPwiseClassif, {"widths": (8, 8)}, r"model\.args\.widths: 2 values for 3 levels"),
    (ConvAutoencPwiseClassif, {"reach": (1.0,)}, r"model\.args\.reach: 1 values for 3 levels"),
    (ConvAutoencPwiseClassif, {"neighbours": 0}, r"model\.args\.neighbours: 0 is too few"),
    (PointNetPwiseClassif, {"decoder": ()}, r"model\.args\.decoder: \[\] is no list of widths"),
    (PointNetPwiseClassif, {"encoder": (8, 0)}, r"model\.args\.encoder"),
    (PointNetPwiseClassif, {"classes": 1}, r"model\.args\.classes: 1 is too few")])
def test_invalid_network_arguments_are_refused_with_their_path(kind, args, message):
    with pytest.raises(SpecError, match=message):
        kind(**{**SHAPE, **SMALL[kind], **args})


VALUES = np.arange(2 * 4 * 1, dtype="float32").reshape(2, 4, 1)


def test_gathering_follows_the_table_of_each_example():
    gathered = GatherPoints()([VALUES, np.array([[3, 0], [1, 1]], "int32")])
    np.testing.assert_array_equal(np.asarray(gathered)[..., 0], [[3, 0], [5, 5]])


def test_the_neighbourhood_maximum_follows_the_table_of_each_example():
    largest = NeighbourhoodMax()([VALUES, np.array([[[0, 1], [2, 3]], [[0, 0], [3, 1]]], "int32")])
    np.testing.assert_array_equal(np.asarray(largest)[..., 0], [[1, 3], [4, 7]])
