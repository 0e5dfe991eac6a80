"""The outline of a network: its layers with weights, in order, by path, as plain data for the schedule."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self


@dataclass(frozen=True)
class LayerInfo:
    """One layer that has weights.

    Attributes:
        path: names joined by `/`, from the outermost model inwards.
        kind: the layer's class name.
        parameters: number of elements of all its weights; shared weights are counted at the first layer only.
        trainable_parameters: number of elements that are trainable when the layer is not frozen.
        trainable: False if the user froze it before training; a schedule never unfreezes it.
        held: whether it has trainable variables, but the user's `trainable = False` freezes all of them.
    """

    path: str
    kind: str = "Layer"
    parameters: int = 0
    trainable_parameters: int = 0
    trainable: bool = True
    held: bool = False


@dataclass(frozen=True)
class Outline:
    """The layers of a network as a schedule uses them.

    Attributes:
        layers: the layers with weights, depth first through nested models, first occurrence. A weight that a model
            holds itself is listed like a layer, with the kind `Weight`, before the model's layers.
        weightless: paths of the layers without weights (to refuse them by name).
        models: paths of the nested models; a model's path stands for all layers below it.
        learning_rate: the optimizer's learning rate; None if it follows a schedule of its own or is unknown.
        learning_rate_schedule: whether the optimizer has a learning-rate schedule (then no entry may set a rate).
        aliases: further path of a layer or nested model that occurs more than once -> its path in `layers`,
            `weightless` or `models`.
        shared: groups of layers that share weights: they must be frozen and unfrozen together.
        parts: path of a layer that contains layers with weights (a wrapper, a block) -> these, nested ones included.
        repeated: paths that two different layers share.
    """

    layers: tuple[LayerInfo, ...]
    weightless: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    learning_rate: float | None = None
    learning_rate_schedule: bool = False
    aliases: dict[str, str] = field(default_factory=dict)
    shared: tuple[tuple[str, ...], ...] = ()
    parts: dict[str, tuple[LayerInfo, ...]] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the layers with weights, in order."""
        return tuple(layer.path for layer in self.layers)

    @cached_property
    def containers(self) -> dict[str, str]:
        """Path of an inner layer -> path of the layer that contains it."""
        return {part.path: path for path, parts in self.parts.items() for part in parts}

    def list_parts(self, path: str) -> tuple[str, ...]:
        """Return the paths of a layer's inner layers; its own path if it has none."""
        return tuple(part.path for part in self.parts.get(path, ())) or (path,)

    def joined(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Return the same layers in the same order; a layer replaces its inner layers where all of these are given."""
        given = tuple(paths)
        full = {whole for whole, parts in self.parts.items() if {part.path for part in parts} <= set(given)}
        named = (self.containers[path] if self.containers.get(path) in full else path for path in given)
        return tuple(dict.fromkeys(named))

    def listed(self, named: Collection[str]) -> list[LayerInfo]:
        """Return the layers in order, each replaced by its inner layers if `named` contains one of these."""
        apart = {self.containers[path] for path in named if path in self.containers}
        return [info for layer in self.layers for info in (self.parts[layer.path] if layer.path in apart else (layer,))]

    def unfrozen(self, frozen: Collection[str]) -> list[LayerInfo]:
        """Return the layers that are trainable under a mask, in order; layers that the user froze are excluded."""
        return [info for info in self.listed(frozen) if info.trainable and info.path not in frozen]

    def to_json(self) -> dict[str, Any]:
        """Return the outline as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the outline that `to_json` wrote."""
        fields = {**data, "layers": tuple(LayerInfo(**layer) for layer in data["layers"])}
        fields["weightless"], fields["models"] = tuple(data["weightless"]), tuple(data["models"])
        fields["shared"] = tuple(tuple(group) for group in data["shared"])
        fields["parts"] = {path: tuple(LayerInfo(**part) for part in parts) for path, parts in data["parts"].items()}
        fields["repeated"] = tuple(data["repeated"])
        return cls(**fields)
