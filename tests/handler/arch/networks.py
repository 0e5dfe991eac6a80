"""Small networks: the two over receptive fields, with random fields for them, and a subclass of `keras.Model`."""

import keras
import numpy as np
from keras import layers

from handler.arch.conv_autoencoder import ConvAutoencPwiseClassif
from handler.arch.pointnet import PointNetPwiseClassif

SHAPE = {"points": 64, "features": 2, "classes": 3}
SMALL = {
    ConvAutoencPwiseClassif: {"widths": (8, 8, 16), "levels": (64, 16, 4), "neighbours": 4, "reach": (0.2, 0.4, 0.8)},
    PointNetPwiseClassif: {"encoder": (16,), "bottleneck": (16,), "decoder": (16, 8)},
}


def make(kind, **args):
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


class Subclassed(keras.Model):
    """A network that knows its input shape only once it is called."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.first, self.head = layers.Dense(8), layers.Dense(units, activation="softmax")

    def call(self, inputs):
        return self.head(self.first(inputs))
