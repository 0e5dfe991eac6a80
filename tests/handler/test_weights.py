"""Starting from pretrained weights."""

import keras
import numpy as np
import pytest

from handler.errors import SpecError
from handler.store import Store
from handler.weights import start_from


def net(head=3, seed=0):
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((5,))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(4, name="body")(inputs))
    return keras.Model(inputs, keras.layers.Dense(head, name="head")(x))


@pytest.mark.parametrize("file", ["m.keras", "m.weights.h5"])
def test_all_layers_are_taken_from_a_file(tmp_path, file):
    source, target = net(seed=1), net(seed=2)
    (source.save if file.endswith(".keras") else source.save_weights)(tmp_path / file)
    assert start_from(target, file, tmp_path, Store(tmp_path / "s")) == []
    assert all(np.array_equal(a, b) for a, b in zip(source.get_weights(), target.get_weights(), strict=True))


def test_a_new_head_keeps_its_initial_weights(tmp_path):
    source, target = net(seed=1), net(head=7, seed=2)
    head = target.get_layer("head").get_weights()
    source.save(tmp_path / "m.keras")
    assert start_from(target, "m.keras", tmp_path, Store(tmp_path / "s")) == ["head"]
    assert np.array_equal(target.get_layer("body").get_weights()[0], source.get_layer("body").get_weights()[0])
    assert np.array_equal(target.get_layer("head").get_weights()[0], head[0])


def test_what_cannot_be_read_or_does_not_fit_is_refused(tmp_path):
    store = Store(tmp_path / "s")
    with pytest.raises(SpecError, match=r"model.weights: 'no.keras': there is no file"):
        start_from(net(), "no.keras", tmp_path, store)
    (tmp_path / "bad.keras").write_text("no")
    with pytest.raises(SpecError, match="can't be read as a Keras file"):
        start_from(net(), "bad.keras", tmp_path, store)
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1, name="other")(inputs)).save(tmp_path / "other.keras")
    with pytest.raises(SpecError, match="no layer of the same path and shape as this network; its layers: other"):
        start_from(net(), "other.keras", tmp_path, store)
    with pytest.raises(SpecError, match="there is no run 'gone'"):
        start_from(net(), "run:gone", tmp_path, store)
