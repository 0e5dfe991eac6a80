"""Weights files are read by layer, without deserializing their objects."""

import io
import zipfile

import h5py
import keras
import numpy as np

from handler.run.initial_weights import load_pretrained
from handler.store.store import Store
from tests.handler.run.networks import net


def test_loading_weights_deserializes_no_objects(tmp_path):
    """The file has a Lambda, whose code Keras refuses to load, and a class that is unknown to Keras."""

    class Own(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(1,), name="scale")

        def call(self, x):
            return x * self.scale

    def lambdas(seed):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((5,))
        x = keras.layers.Lambda(lambda v: v * 2, name="twice")(Own(name="own")(inputs))
        return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))

    source, target = lambdas(1), lambdas(2)
    source.save(tmp_path / "m.keras")
    assert load_pretrained(target, "m.keras", tmp_path, Store(tmp_path / "s")).loaded == ["own", "head"]
    assert all(np.array_equal(a, b) for a, b in zip(source.get_weights(), target.get_weights(), strict=True))


def test_weights_files_without_names_are_read_by_configuration(tmp_path):
    source, target = net(seed=1), net(head=7, seed=2)
    source.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = io.BytesIO(members["model.weights.h5"])
    with h5py.File(content, "r+") as weights:
        weights.visititems(lambda _, group: group.attrs.clear())
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        for name, data in (members | {"model.weights.h5": content.getvalue()}).items():
            archive.writestr(name, data)
    assert load_pretrained(target, "old.keras", tmp_path, Store(tmp_path / "s")).loaded == ["body", "norm"]
