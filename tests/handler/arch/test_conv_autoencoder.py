"""The autoencoder over receptive fields: its layers, its structure and its relative features."""

import numpy as np

from handler.arch.conv_autoencoder import ConvAutoencPwiseClassif
from tests.handler.arch.networks import fields, make


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


def test_pre_fit_computes_the_structure_once():
    arch, (X, y) = make(ConvAutoencPwiseClassif), fields()
    cache_map = {"X": X, "y": y}
    arch.prefit_logic_callback(cache_map)
    structure = cache_map["structure"]
    assert arch.structure is structure
    arch.prefit_logic_callback(cache_map)
    assert cache_map["structure"] is structure


def test_post_fit_removes_the_structure():
    arch, (X, y) = make(ConvAutoencPwiseClassif), fields()
    cache_map = {"X": X, "y": y}
    arch.prefit_logic_callback(cache_map)
    assert arch.structure
    for _ in range(2):
        arch.posfit_logic_callback(cache_map)
        assert cache_map["digest"]["fields"] == 16
        assert cache_map["digest"]["levels"] == [64, 16, 4]
        assert "structure" not in cache_map
        assert arch.structure == {}
