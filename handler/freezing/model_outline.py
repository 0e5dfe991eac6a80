"""The outline of a network: its layers with weights, in order, by path, as plain data for the schedule."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from handler.backend import optimizers
from handler.backend.layers import OwnWeight, all_layers, inner_layers, own_trainable_variables, own_variables
from handler.schedule.layer_outline import LayerInfo, Outline


def iter_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield `(path, layer)` for every layer below a Keras model, depth first through nested models.

    A layer that occurs twice is yielded once, at its first occurrence. A nested model is yielded before its layers. A
    weight that a model holds itself is yielded as an `OwnWeight` before that model's layers. Any other layer is one
    layer, even if it contains layers; see `list_inner_layers`.
    """
    seen: set[int] = set()
    for path, layer in _occurrences(model, ""):
        if _identity(layer) not in seen:
            seen.add(_identity(layer))
            yield path, layer


def _occurrences(parent: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield `(path, layer)` like `iter_layers`, but once for each path by which a layer is reached."""
    import keras

    for own in _own_weights(parent):
        yield join(prefix, own.name), own
    for layer in inner_layers(parent):
        path = join(prefix, layer.name)
        yield path, layer
        if isinstance(layer, keras.Model):
            yield from _occurrences(layer, path)


# See docs/decisions/0044-parts-of-a-layer.md.
def list_inner_layers(layer: Any, path: str) -> list[tuple[str, Any]]:
    """Return the inner layers of a wrapper or a block; [] for a layer that contains none.

    Returns:
        `(path, layer)` for each layer with weights below it that contains no other, and for each `OwnWeight`.
    """
    inner = [child for child in inner_layers(layer) if child.weights]
    parts = [(join(path, own.name), own) for own in _own_weights(layer)] if inner else []
    for child in inner:
        below = join(path, child.name)
        parts += list_inner_layers(child, below) or [(below, child)]
    unique = {_identity(part): (place, part) for place, part in reversed(parts)}
    return [unique[_identity(part)] for place, part in parts if unique[_identity(part)][0] == place]


def join(prefix: str, name: str) -> str:
    """Return a path extended by one name."""
    return f"{prefix}/{name}" if prefix else name


def _own_weights(holder: Any) -> list[OwnWeight]:
    """Return the weights of a container that belong to none of its layers."""
    theirs = {id(weight) for child in inner_layers(holder) for weight in child.weights}
    own = {id(v): v for v in own_variables(holder) if id(v) not in theirs}
    return [OwnWeight(variable) for variable in own.values()]


def _identity(layer: Any) -> int:
    return id(layer.variable) if isinstance(layer, OwnWeight) else id(layer)


def layers_with_weights(model: Any) -> dict[str, Any]:
    """Return the layers with weights that a schedule can name: path -> Keras layer or `OwnWeight`, in layer order."""
    import keras

    return {path: layer for path, layer in iter_layers(model) if not isinstance(layer, keras.Model) and layer.weights}


def freezable_layers(model: Any) -> dict[str, Any]:
    """Return all layers that a mask can freeze: each addressable layer, followed by its inner layers."""
    layers = layers_with_weights(model)
    return {name: part for path, layer in layers.items() for name, part in [(path, layer), *_inside(path, layer)]}


def _inside(path: str, layer: Any) -> list[tuple[str, Any]]:
    return [] if isinstance(layer, OwnWeight) else list_inner_layers(layer, path)


def outline(model: Any) -> Outline:
    """Return the outline of a built Keras model, with its optimizer's learning rate if it is compiled."""
    import keras

    listed = list(iter_layers(model))
    models = [(path, part) for path, part in listed if isinstance(part, keras.Model)]
    layers = [(path, part) for path, part in listed if not isinstance(part, keras.Model) and part.weights]
    weightless = [path for path, part in listed if not isinstance(part, keras.Model) and not part.weights]
    inside = [_inside(path, layer) for path, layer in layers]
    smallest = [part for layer, parts in zip(layers, inside, strict=True) for part in parts or [layer]]
    count, count_parts = _Count(), _Count()
    paths = {_identity(layer): path for path, layer in listed}
    reached = [(path, paths[_identity(part)]) for path, part in _occurrences(model, "")]
    aliases = {path: listed_as for path, listed_as in reached if path != listed_as}
    optimizer = getattr(model, "optimizer", None)
    rate, follows = (None, False) if optimizer is None else optimizers.read_learning_rate(optimizer)
    return Outline(
        tuple(count.info(*layer) for layer in layers),
        tuple(weightless),
        tuple(path for path, _ in models),
        rate,
        follows,
        aliases,
        _sharing(smallest),
        {
            path: tuple(count_parts.info(*part) for part in parts)
            for (path, _), parts in zip(layers, inside, strict=True)
            if parts
        },
        _repeated([*models, *layers, *smallest], aliases),
    )


def _sharing(parts: Iterable[tuple[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of layers that share a weight."""
    holders: dict[int, dict[str, None]] = {}
    for path, part in parts:
        for weight in part.weights:
            holders.setdefault(id(weight), {})[path] = None
    return tuple(dict.fromkeys(tuple(group) for group in holders.values() if len(group) > 1))


def _repeated(parts: Iterable[tuple[str, Any]], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths that several layers have; a further path of one layer may be the path of another."""
    having: dict[str, set[int]] = {}
    for path, part in parts:
        having.setdefault(path, set()).add(_identity(part))
    for path, listed_as in aliases.items():
        having.setdefault(path, set()).update(having.get(listed_as, ()))
    return tuple(path for path, layers in having.items() if len(layers) > 1)


class _Count:
    """A counter of the elements of layers' weights; it counts each weight once."""

    def __init__(self) -> None:
        self._counted: set[int] = set()

    def info(self, path: str, layer: Any) -> LayerInfo:
        new = [weight for weight in layer.weights if id(weight) not in self._counted]
        self._counted.update(id(weight) for weight in new)
        training = {id(weight) for weight in layer.trainable_weights}
        total = sum(math.prod(weight.shape) for weight in new)
        trainable = sum(math.prod(weight.shape) for weight in new if id(weight) in training)
        could_train = any(own_trainable_variables(part) for part in all_layers(layer))
        frozen_by_user = could_train and not training
        kind = "Weight" if isinstance(layer, OwnWeight) else type(layer).__name__
        return LayerInfo(path, kind, total, trainable, bool(layer.trainable) and not frozen_by_user, frozen_by_user)
