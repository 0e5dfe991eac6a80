"""What a schedule needs to know of a network, as plain data: its layers with weights, in order, by path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from handler import optimizers


@dataclass(frozen=True)
class LayerInfo:
    """One layer that has weights.

    Attributes:
        path: names joined by `/`, from the outermost model inwards.
        kind: the layer's class name.
        parameters: number of elements of all its weights; what layers share is counted at the first of them.
        trainable_parameters: number of elements that train when the layer isn't frozen.
        trainable: False where the user froze it before training; a schedule never unfreezes it.
    """

    path: str
    kind: str = "Layer"
    parameters: int = 0
    trainable_parameters: int = 0
    trainable: bool = True


@dataclass(frozen=True)
class Outline:
    """The layers of a network as a schedule sees them.

    Attributes:
        layers: the layers with weights, depth first through nested models, first occurrence.
        weightless: paths of the layers without weights (to refuse them by name).
        models: paths of the nested models; a model's path stands for everything below it.
        learning_rate: the optimizer's rate, None where it follows a schedule of its own or isn't known.
        learning_rate_schedule: True where the optimizer has a learning-rate schedule (no entry may set a rate then).
        aliases: further paths of a layer or nested model that occurs more than once -> its path among the above.
        shared: layers that have weights in common, so that one can't rest while another trains.
    """

    layers: tuple[LayerInfo, ...]
    weightless: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    learning_rate: float | None = None
    learning_rate_schedule: bool = False
    aliases: dict[str, str] = field(default_factory=dict)
    shared: tuple[tuple[str, ...], ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the layers with weights, in order."""
        return tuple(layer.path for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """The outline as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Outline:
        """The outline that `to_json` wrote."""
        fields = {**data, "layers": tuple(LayerInfo(**layer) for layer in data["layers"])}
        fields["weightless"], fields["models"] = tuple(data["weightless"]), tuple(data["models"])
        fields["shared"] = tuple(tuple(group) for group in data.get("shared", ()))
        return cls(**fields)


def walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Yields `(path, layer)` for every layer below a Keras model, depth first through nested models.

    A layer that occurs twice is yielded once, where it occurs first. Nested models are yielded before their layers.
    Any other layer is one layer, whatever it holds.
    """
    seen: set[int] = set()
    for path, layer in _occurrences(model, ""):
        if id(layer) not in seen:
            seen.add(id(layer))
            yield path, layer


def _occurrences(parent: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """As `walk`, but each path by which a layer is reached."""
    import keras

    for layer in parent._flatten_layers(include_self=False, recursive=False):
        path = f"{prefix}/{layer.name}" if prefix else layer.name
        yield path, layer
        if isinstance(layer, keras.Model):
            yield from _occurrences(layer, path)


def addressable(model: Any) -> dict[str, Any]:
    """The layers with weights that a schedule can name: path -> Keras layer, in layer order."""
    import keras

    return {path: layer for path, layer in walk(model) if not isinstance(layer, keras.Model) and layer.weights}


def outline(model: Any) -> Outline:
    """The outline of a built Keras model, with its optimizer's rate if it is compiled."""
    import keras

    layers, weightless, models, counted = [], [], [], set[int]()
    holders: dict[int, list[str]] = {}
    for path, layer in walk(model):
        if isinstance(layer, keras.Model):
            models.append(path)
        elif not layer.weights:
            weightless.append(path)
        else:
            new = [weight for weight in layer.weights if id(weight) not in counted]
            training = {id(weight) for weight in layer.trainable_weights}
            total, awake = (sum(math.prod(w.shape) for w in ws) for ws in (new, [w for w in new if id(w) in training]))
            layers.append(LayerInfo(path, type(layer).__name__, total, awake, bool(layer.trainable)))
            counted.update(id(weight) for weight in new)
            for weight in layer.weights:
                holders.setdefault(id(weight), []).append(path)
    paths = {id(layer): path for path, layer in walk(model)}
    also = {path: paths[id(layer)] for path, layer in _occurrences(model, "") if paths[id(layer)] != path}
    shared = dict.fromkeys(tuple(group) for group in holders.values() if len(group) > 1)
    optimizer = getattr(model, "optimizer", None)
    rate, follows = (None, False) if optimizer is None else optimizers.rate(optimizer)
    return Outline(tuple(layers), tuple(weightless), tuple(models), rate, follows, also, tuple(shared))
