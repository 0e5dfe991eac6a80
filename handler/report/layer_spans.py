"""The state of each layer in each epoch, as data for an image."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from handler.errors.quoting import listing
from handler.records import PlannedSegment
from handler.report.number_format import epochs

State = Literal["training", "frozen", "held"]


@dataclass(frozen=True)
class Span:
    """Epochs `[start, end)` in which a layer has one state. `held`: the user froze the layer before the training."""

    start: int
    end: int
    state: State


@dataclass(frozen=True)
class LayerRow:
    """A layer and its states over all epochs, in order; neighbouring epochs of one state are joined."""

    path: str
    kind: str
    parameters: int
    spans: tuple[Span, ...]

    def summary(self) -> str:
        """Return the row in words, for a tooltip."""
        if self.spans and self.spans[0].state == "held":
            return f"{self.path} ({self.kind}, {self.parameters} parameters): frozen by the user throughout"
        frozen = [epochs(s.start, s.end) for s in self.spans if s.state == "frozen"]
        what = f"frozen in epochs {listing(frozen, 12)}" if frozen else "trainable throughout"
        return f"{self.path} ({self.kind}, {self.parameters} parameters): {what}"


def rows(layers: Sequence[dict[str, Any]], segments: Sequence[PlannedSegment]) -> list[LayerRow]:
    """Return one row per layer with weights, in layer order.

    Args:
        layers: `LayerInfo` as dicts; if empty, the layers that the segments name are used.
        segments: the planned segments in order.
    """
    if not layers:
        paths = dict.fromkeys(path for s in segments for path in (*s.frozen, *s.trainable))
        layers = [{"path": path} for path in paths]
    frozen = [frozenset(s.frozen) for s in segments]
    layer_rows = []
    for layer in layers:
        path, spans = str(layer["path"]), list[Span]()
        states = (_state(layer, path in named) for named in frozen)
        for state, alike in itertools.groupby(zip(states, segments, strict=True), key=lambda pair: pair[0]):
            span = [segment for _, segment in alike]
            spans.append(Span(span[0].start, span[-1].end, state))
        layer_rows.append(
            LayerRow(path, str(layer.get("kind", "Layer")), int(layer.get("parameters", 0)), tuple(spans))
        )
    return layer_rows


def _state(layer: dict[str, Any], frozen: bool) -> State:
    if not layer.get("trainable", True):
        return "held"
    return "frozen" if frozen else "training"


def trainable_share(segment: PlannedSegment, layers: Sequence[dict[str, Any]]) -> float:
    """Return the share of a segment's trainable parameters in all parameters that can be trainable, 0 to 1."""
    total = sum(int(layer.get("trainable_parameters", 0)) for layer in layers)
    return min(1.0, segment.trainable_parameters / total) if total else 0.0
