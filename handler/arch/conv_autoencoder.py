"""A hierarchical autoencoder that classifies every point of a receptive field.

Encoder levels have fewer and fewer points, chosen by furthest-point sampling. Each point of a level takes the maximum
over its neighbourhood one level below, of features and relative positions together (PointNet++, Qi et al., 2017). The
decoder upsamples by nearest neighbours, with skip connections (as in KPConv, Thomas et al., 2019). The layer before the
maximum is linear, so it is applied once per point instead of once per pair:
max_j(a_j + W (p_j - p_i)) = max_j(a_j + W p_j) - W p_i.

Layers, by name, for schedules: `enc1_*` ... `enc4_*` (level 1 is the field itself), `mid_*`, `dec4_*` ... `dec1_*`,
`head_*`.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from handler.arch.architecture import Architecture
from handler.arch.hierarchy import build_hierarchy
from handler.arch.neighbourhoods import GatherPoints, NeighbourhoodMax
from handler.errors import SpecError

MOMENTUM = 0.9  # of the moving statistics: with Keras's 0.99 and few steps per epoch they would lag behind the weights


class ConvAutoencPwiseClassif(Architecture):
    """A hierarchical autoencoder over receptive fields.

    X = [xyz (n, N, 3), features (n, N, F)] -> probabilities (n, N, classes).

    Args:
        points: N, points per field.
        features: F; 0 if X is coordinates only.
        classes: number of outputs.
        widths: channels of each level, from the field up.
        levels: points of each level, `levels[0] == points`, decreasing; None: each level has a quarter of the points of
            the level below.
        neighbours: number of points of a neighbourhood.
        reach: typical radius of each level's neighbourhoods, in units of the coordinates; positions are divided by it.
        dropout: dropout rate before the last layer.
        threads: number of threads that compute the structure.

    Raises:
        SpecError: the arguments are inconsistent; the message names the argument.

    Example:
        >>> sizes = {"widths": [4, 8], "reach": [1.0, 2.0], "neighbours": 4}
        >>> arch = ConvAutoencPwiseClassif(points=16, features=2, classes=3, **sizes)
        >>> arch.build().output_shape
        (None, 16, 3)
    """

    needs_fit_backup = True

    def __init__(
        self,
        *,
        points: int,
        features: int,
        classes: int,
        widths: Sequence[int] = (32, 64, 128, 128),
        levels: Sequence[int] | None = None,
        neighbours: int = 16,
        reach: Sequence[float] = (0.1, 0.1, 0.2, 0.4),
        dropout: float = 0.2,
        threads: int = 2,
    ) -> None:
        super().__init__()
        self.points, self.features, self.classes = points, features, classes
        self.widths = tuple(widths)
        self.levels = tuple(levels) if levels else tuple(max(points // 4**i, 1) for i in range(len(self.widths)))
        self.neighbours, self.reach, self.dropout, self.threads = neighbours, tuple(reach), dropout, threads
        self._check()

    def _check(self) -> None:
        if self.levels[0] != self.points:
            raise SpecError(
                "model.args.levels",
                f"{self.levels[0]} is not the number of points of a field; begin with {self.points}",
            )
        if self.levels[-1] < 1 or any(above >= below for below, above in itertools.pairwise(self.levels)):
            raise SpecError(
                "model.args.levels", f"{list(self.levels)} does not decrease; give fewer points at each level"
            )
        for name in ("widths", "reach"):
            if len(getattr(self, name)) != len(self.levels):
                raise SpecError(
                    f"model.args.{name}",
                    f"{len(getattr(self, name))} values for {len(self.levels)} levels; give one for each",
                )
        if self.neighbours < 1 or self.classes < 2:
            name, least = ("neighbours", 1) if self.neighbours < 1 else ("classes", 2)
            raise SpecError(f"model.args.{name}", f"{getattr(self, name)} is too few; give {least} or more")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that determine the network and its structure."""
        return {
            "class": type(self).__name__,
            "points": self.points,
            "features": self.features,
            "classes": self.classes,
            "widths": list(self.widths),
            "levels": list(self.levels),
            "neighbours": self.neighbours,
            "reach": list(self.reach),
            "dropout": self.dropout,
        }

    # Structure

    def structure_for(self, X: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the index tables of every field, derived from the coordinates: see `hierarchy.build_hierarchy`."""
        return build_hierarchy(np.asarray(X[0], np.float32), self.levels, self.neighbours, self.threads)

    def prefit_logic_callback(self, cache_map: dict[str, Any]) -> None:
        """Add the structure of `cache_map["X"]` to the map, unless it has one, and keep it for the fit."""
        if "structure" not in cache_map:
            cache_map["structure"] = self.structure_for(cache_map["X"])
        self.structure = cache_map["structure"]

    def posfit_logic_callback(self, cache_map: dict[str, Any]) -> None:
        """Replace the structure by a summary, `cache_map["digest"]`, and release the tables. Idempotent."""
        structure = cache_map.pop("structure", None)
        if structure is not None:
            cache_map["digest"] = {
                "fields": len(structure["neighbours1"]),
                "levels": list(self.levels),
                "neighbours": self.neighbours,
                "bytes": int(sum(table.nbytes for table in structure.values())),
            }
        self.structure = {}

    def _tables(self) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the index tables, without the axis of the fields, in the order of the inputs."""
        shapes: dict[str, tuple[int, ...]] = {"neighbours1": (self.levels[0], self.neighbours)}
        for level, (below, here) in enumerate(itertools.pairwise(self.levels), 2):
            shapes |= {
                f"sample{level}": (here,),
                f"neighbours{level}": (here, self.neighbours),
                f"upsample{level}": (below,),
            }
        return shapes

    def inputs(self, X: list[np.ndarray], structure: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return the coordinates, the features if there are any, then the index tables."""
        return [*X, *(structure[name] for name in self._tables())]

    # Network

    def network(self) -> keras.Model:
        """Create the network."""
        xyz = keras.Input((self.points, 3), name="xyz")
        given = [xyz, *([keras.Input((self.points, self.features), name="features")] if self.features else [])]
        tables = {name: keras.Input(shape, dtype="int32", name=name) for name, shape in self._tables().items()}
        x = layers.Concatenate(name="enc1_input")(given) if self.features else xyz
        skips = []
        for level in range(1, len(self.levels) + 1):
            sample = tables.get(f"sample{level}")
            x = self._encode(level, x, xyz, tables[f"neighbours{level}"], sample)
            skips.append(x)
            if sample is not None and level < len(self.levels):
                xyz = GatherPoints(name=f"enc{level}_xyz")([xyz, sample])
        width = self.widths[-1]
        whole = layers.GlobalMaxPooling1D(keepdims=True, name="mid_pool")(x)
        whole = layers.Dense(width, name="mid_dense")(whole)
        last = len(self.levels)
        x = self._merge(
            last, layers.Add(name=f"dec{last}_add")([layers.Dense(width, name=f"dec{last}_skip")(x), whole])
        )
        for level in range(last - 1, 0, -1):
            width = self.widths[level - 1]
            up = layers.Dense(width, use_bias=False, name=f"dec{level}_up")(x)
            up = GatherPoints(name=f"dec{level}_gather")([up, tables[f"upsample{level + 1}"]])
            skip = layers.Dense(width, name=f"dec{level}_skip")(skips[level - 1])
            x = self._merge(level, layers.Add(name=f"dec{level}_add")([up, skip]))
        x = layers.Dense(2 * self.widths[0], activation="relu", name="head_dense")(x)
        x = layers.Dropout(self.dropout, name="head_dropout")(x)
        out = layers.Dense(self.classes, activation="softmax", dtype="float32", name="head_classes")(x)
        return keras.Model([*given, *tables.values()], out, name="conv_autoencoder")

    def _encode(self, level: int, x: Any, xyz: Any, neighbours: Any, sample: Any) -> Any:
        """Add one level of the encoder.

        Args:
            level: number of the level.
            x: features of the points of the level below.
            xyz: their coordinates.
            neighbours: the neighbourhoods of this level's points, as indices into the level below.
            sample: this level's points, as indices into the level below; None if they are the same.
        """
        name, width = f"enc{level}", self.widths[level - 1]
        scaled = layers.Rescaling(1.0 / self.reach[level - 1], name=f"{name}_scale")(xyz)
        place = layers.Dense(width, use_bias=False, name=f"{name}_place")(scaled)
        edge = layers.Add(name=f"{name}_add")([layers.Dense(width, name=f"{name}_edge")(x), place])
        h = NeighbourhoodMax(name=f"{name}_max")([edge, neighbours])
        skip = x
        if sample is not None:
            place = GatherPoints(name=f"{name}_centre")([place, sample])
            skip = GatherPoints(name=f"{name}_sample")([x, sample])
        h = layers.Subtract(name=f"{name}_relative")([h, place])
        h = layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(h))
        h = layers.Dense(width, name=f"{name}_dense")(h)
        skip = layers.Dense(width, use_bias=False, name=f"{name}_skip")(skip)
        h = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_out_bn")(
            layers.Add(name=f"{name}_residual")([h, skip])
        )
        return layers.ReLU(name=f"{name}_out")(h)

    def _merge(self, level: int, x: Any) -> Any:
        return layers.ReLU(name=f"dec{level}_out")(
            layers.BatchNormalization(momentum=MOMENTUM, name=f"dec{level}_bn")(x)
        )
