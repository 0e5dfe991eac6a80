"""PointNet for every point of a receptive field: shared layers, one global maximum, shared layers again.

After Qi et al., PointNet: deep learning on point sets for 3D classification and segmentation (2017), without its
spatial transformers. Layers, by name, for schedules: `enc1_*` ..., `global_*`, `dec1_*` ..., `head_*`.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from handler.arch.architecture import Architecture
from handler.arch.conv_autoencoder import MOMENTUM
from handler.errors import SpecError


class PointNetPwiseClassif(Architecture):
    """PointNet over receptive fields: X = [xyz (n, N, 3), features (n, N, F)] -> probabilities (n, N, classes).

    Args:
        points: N, points per field.
        features: F; 0 if X is coordinates only.
        classes: number of outputs.
        encoder: widths of the layers applied to each point.
        bottleneck: widths of the layers before the global maximum; the last is the size of a field's descriptor.
        decoder: widths of the layers applied to each point together with the field's descriptor.
        dropout: dropout rate before the last layer.

    Raises:
        SpecError: an argument is invalid; the message names it.

    Example:
        >>> arch = PointNetPwiseClassif(points=16, features=2, classes=3, encoder=[8], bottleneck=[8], decoder=[8])
        >>> arch.build().output_shape
        (None, 16, 3)
    """

    def __init__(
        self,
        *,
        points: int,
        features: int,
        classes: int,
        encoder: Sequence[int] = (64, 64),
        bottleneck: Sequence[int] = (128, 256),
        decoder: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.points, self.features, self.classes = points, features, classes
        self.widths = {"enc": tuple(encoder), "global": tuple(bottleneck), "dec": tuple(decoder)}
        self.dropout = dropout
        for name, widths in zip(("encoder", "bottleneck", "decoder"), self.widths.values(), strict=True):
            if not widths or min(widths) < 1:
                raise SpecError(
                    f"model.args.{name}", f"{list(widths)} is not a list of widths; give one or more numbers above 0"
                )
        if classes < 2:
            raise SpecError("model.args.classes", f"{classes} is too few; give 2 or more")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that determine the network."""
        return {
            "class": type(self).__name__,
            "points": self.points,
            "features": self.features,
            "classes": self.classes,
            "widths": {name: list(widths) for name, widths in self.widths.items()},
            "dropout": self.dropout,
        }

    def network(self) -> keras.Model:
        """Create the network."""
        xyz = keras.Input((self.points, 3), name="xyz")
        inputs = [xyz]
        x = xyz
        if self.features:
            inputs.append(keras.Input((self.points, self.features), name="features"))
            x = layers.Concatenate(name="enc_input")(inputs)
        local = self._shared("enc", x)
        whole = layers.GlobalMaxPooling1D(keepdims=True, name="global_max")(self._shared("global", local))
        # The first decoder layer is linear in [local, whole], so the field's term is computed once, not per point.
        width = self.widths["dec"][0]
        whole = layers.Dense(width, use_bias=False, name="global_dense")(whole)
        x = layers.Add(name="dec1_add")([layers.Dense(width, name="dec1_dense")(local), whole])
        x = layers.ReLU(name="dec1_relu")(layers.BatchNormalization(momentum=MOMENTUM, name="dec1_bn")(x))
        x = self._shared("dec", x, first=2)
        x = layers.Dropout(self.dropout, name="head_dropout")(x)
        out = layers.Dense(self.classes, activation="softmax", dtype="float32", name="head_classes")(x)
        return keras.Model(inputs, out, name="pointnet")

    def _shared(self, part: str, x: Any, first: int = 1) -> Any:
        for number, width in enumerate(self.widths[part][first - 1 :], first):
            x = layers.Dense(width, name=f"{part}{number}_dense")(x)
            x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{part}{number}_bn")(x)
            x = layers.ReLU(name=f"{part}{number}_relu")(x)
        return x
