"""Both networks over receptive fields: they build, learn, save and load."""

import json

import numpy as np
import pytest

from handler.arch.conv_autoencoder import ConvAutoencPwiseClassif
from handler.arch.pointnet import PointNetPwiseClassif
from handler.errors import SpecError
from tests.handler.arch.networks import SHAPE, SMALL, fields, inputs_of, make

BOTH = pytest.mark.parametrize("kind", SMALL, ids=lambda kind: kind.__name__)


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


def test_only_the_autoencoder_needs_a_backup_for_training_in_place():
    assert make(ConvAutoencPwiseClassif).needs_fit_backup is True
    assert make(PointNetPwiseClassif).needs_fit_backup is False


@pytest.mark.parametrize(("kind", "args", "message"), [
    (ConvAutoencPwiseClassif, {"levels": (32, 16, 4)}, r"model\.args\.levels: 32 is not the number of points.*begin with 64"),
    (ConvAutoencPwiseClassif, {"levels": (64, 64, 4)}, r"model\.args\.levels: \[64, 64, 4\] does not decrease"),
    (ConvAutoencPwiseClassif, {"widths": (8, 8)}, r"model\.args\.widths: 2 values for 3 levels"),
    (ConvAutoencPwiseClassif, {"reach": (1.0,)}, r"model\.args\.reach: 1 values for 3 levels"),
    (ConvAutoencPwiseClassif, {"neighbours": 0}, r"model\.args\.neighbours: 0 is too few"),
    (PointNetPwiseClassif, {"decoder": ()}, r"model\.args\.decoder: \[\] is not a list of widths"),
    (PointNetPwiseClassif, {"encoder": (8, 0)}, r"model\.args\.encoder"),
    (PointNetPwiseClassif, {"classes": 1}, r"model\.args\.classes: 1 is too few")])
def test_invalid_network_arguments_are_refused_with_their_path(kind, args, message):
    with pytest.raises(SpecError, match=message):
        kind(**{**SHAPE, **SMALL[kind], **args})
