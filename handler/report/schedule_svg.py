"""The image of layers x epochs as SVG: states of the layers, learning rates, segments."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from handler.records import PlannedSegment
from handler.report import number_format
from handler.report.curves import draw_boundaries
from handler.report.layer_spans import LayerRow, rows, trainable_share
from handler.report.svg import draw_rect, draw_text, element, picture

WIDTH, RIGHT = 1080.0, 84.0
LONGEST_NAME = 28
FINE_CELLS = 3000  # above this number of cells each row has one tooltip instead of one per cell
STATE_WORDS = {"training": "trainable", "frozen": "frozen", "held": "frozen by the user"}


@dataclass(frozen=True)
class Frame:
    """The horizontal layout of the image.

    Attributes:
        left: width reserved for names, pixels.
        epochs: number of epochs in the remaining width.
    """

    left: float
    epochs: int

    @property
    def right(self) -> float:
        """Return the right end of the last epoch."""
        return WIDTH - RIGHT

    @property
    def scale(self) -> float:
        """Return the pixels per epoch."""
        return (self.right - self.left) / self.epochs

    def x(self, epoch: float) -> float:
        """Return the left end of an epoch."""
        return self.left + epoch * self.scale


def schedule_picture(
    layers: Sequence[dict[str, Any]],
    segments: Sequence[PlannedSegment],
    *,
    reached: int,
    sources: Mapping[int, str] | None = None,
) -> Markup:
    """Draw the schedule of a run.

    Args:
        layers: `LayerInfo` as dicts, in layer order.
        segments: the planned segments, in order, from epoch 0 on.
        reached: number of epochs trained so far; later epochs are veiled.
        sources: by segment index, the source of its state (`cached`, `resumed`, `trained`).

    Returns:
        An `<svg>` that takes its colours from the page's style sheet.
    """
    layer_rows = rows(layers, segments)
    longest = max((len(_short(r.path)) for r in layer_rows), default=0)
    frame = Frame(left=max(118.0, 7.3 * longest + 16), epochs=segments[-1].end if segments else 1)
    height = max(3.0, min(22.0, 1150 / max(len(layer_rows), 1)))  # few rows stay visible, many stay readable
    rate_top, grid_top = 32.0, 88.0
    share_top = grid_top + height * len(layer_rows) + 12
    bottom = share_top + 38
    parts = [
        _segment_strip(segments, frame, 2.0, sources or {}),
        _rate_strip(segments, frame, rate_top),
        _grid(layer_rows, frame, grid_top, height),
        _share_strip(segments, layers, frame, share_top),
        draw_boundaries(segments, frame.epochs, frame.x, 2.0, bottom),
        _axis(frame, bottom),
    ]
    if reached < frame.epochs:
        title = element("title", f"not reached: epochs {number_format.epochs(reached, frame.epochs)}")
        x = frame.x(reached)
        parts.append(draw_rect("veil", x, grid_top - 1, frame.right - x, bottom - grid_top, title))
    size = f"{len(layer_rows)} layers by {frame.epochs} epochs in {len(segments)} segments"
    label = f"{size}: frozen, trainable, learning rate"
    return picture(WIDTH, bottom + 24, label, *parts, class_="schedule")


def _short(path: str) -> str:
    return path if len(path) <= LONGEST_NAME else f"{path[:11]}…{path[-15:]}"


def _side(frame: Frame, text: str, y: float) -> Markup:
    return draw_text(text, "side", frame.left - 12, y, text_anchor="end")


def _segment_strip(segments: Sequence[PlannedSegment], frame: Frame, y: float, sources: Mapping[int, str]) -> Markup:
    parts = [_side(frame, "segment", y + 15)]
    last = -math.inf
    for s in segments:
        source = sources.get(s.index, "planned")
        x, width = frame.x(s.start), (s.end - s.start) * frame.scale
        words = f"segment {s.index}: epochs {number_format.epochs(s.start, s.end)}, {source}, "
        words += f"{len(s.frozen)} layers frozen, "
        title = element("title", f"{words}{number_format.number(s.trainable_parameters)} trainable parameters")
        inset = min(1.0, width / 4)
        inner, round_by = max(width - 2 * inset, 0.5), min(3.0, width / 4)
        parts.append(draw_rect(f"source {source}", x + inset, y, inner, 22.0, title, rx=round_by))
        middle = x + width / 2
        if width >= 7 * len(str(s.index)) + 6 and middle - last >= 16:
            parts.append(draw_text(str(s.index), f"number on-{source}", middle, y + 15.5, text_anchor="middle"))
            last = middle
    return element("g", *parts)


def _rate_strip(segments: Sequence[PlannedSegment], frame: Frame, y: float) -> Markup:
    height = 36.0
    known = [s.learning_rate for s in segments if s.learning_rate]
    parts = [_side(frame, "learning rate", y + 25)]
    if not known:
        setter = segments[0].rate_setter or "the optimizer"
        return element("g", *parts, draw_text(f"set by {setter}", "note", frame.left, y + 25))
    low, high = math.log10(min(known)), math.log10(max(known))
    crowded = frame.scale * frame.epochs / len(segments) < 12
    path, marks, right, before = "", list[Markup](), -math.inf, None
    for s in segments:
        if not s.learning_rate:
            before = None
            continue
        part = (math.log10(s.learning_rate) - low) / (high - low) if high > low else 0.5
        level = y + 14 + (height - 16) * (1 - part)
        x = frame.x(s.start)
        path += f"{'M' if before is None else 'L'}{x:.1f} {level:.1f}L{frame.x(s.end):.1f} {level:.1f}"
        text = s.rate_text
        if s.learning_rate != before and x >= right:
            marks.append(draw_text(text, "rate-label", x + 4, level - 4))
            right = x + 7 * len(text) + 12
        if s.sets_learning_rate and not crowded:
            title = element("title", f"set to {text} at epoch {s.start}")
            marks.append(element("circle", title, class_="rate-dot", cx=x, cy=level, r=2.6))
        before = s.learning_rate
    return element("g", *parts, element("path", class_="rate", d=path), *marks)


def _grid(layer_rows: Sequence[LayerRow], frame: Frame, y: float, height: float) -> Markup:
    fine = sum(len(r.spans) for r in layer_rows) <= FINE_CELLS
    gap = 1.5 if height >= 9 else 0.5 if height >= 5 else 0.0
    size = max(min(12.0, height - 0.5), 8.0)
    every = max(1, math.ceil(8.5 / height))
    largest = max((r.parameters for r in layer_rows), default=0)
    parts = [draw_text("parameters", "note", frame.right + 10, y - 7)] if largest else []
    for i, row in enumerate(layer_rows):
        top = y + i * height
        baseline = top + height / 2 + size * 0.35
        cells = _cells(row, frame, top + gap / 2, height - gap, fine)
        tip = element("title", row.summary())
        if i % every == 0:
            name = _short(row.path)
            cells.append(draw_text(name, "layer", frame.left - 12, baseline, tip, text_anchor="end", font_size=size))
        if largest:
            bar = max(1.0, 32 * row.parameters / largest)
            thickness = max(height * 0.44, 1.0)
            cells.append(draw_rect("parameters", frame.right + 10, top + height * 0.28, bar, thickness))
            if i % every == 0:
                amount, x = number_format.count(row.parameters), frame.right + 14 + bar
                cells.append(draw_text(amount, "count", x, baseline, font_size=min(size, 10.5)))
        parts.append(element("g", *cells, *([] if fine else [tip]), class_="row"))
    return element("g", *parts, class_="grid")


def _cells(row: LayerRow, frame: Frame, top: float, height: float, fine: bool) -> list[Markup]:
    """Return the rectangles of a layer's states, with a title each if they are `fine`."""
    cells = []
    for span in row.spans:
        words = f"{row.path}: {STATE_WORDS[span.state]}, epochs {number_format.epochs(span.start, span.end)}"
        title = [element("title", words)] if fine else []
        width = (span.end - span.start) * frame.scale
        cells.append(draw_rect(span.state, frame.x(span.start), top, width, height, *title))
    return cells


def _share_strip(
    segments: Sequence[PlannedSegment], layers: Sequence[dict[str, Any]], frame: Frame, y: float
) -> Markup:
    height = 30.0
    parts = [
        _side(frame, "trainable share", y + 19),
        draw_rect("share-back", frame.left, y, frame.right - frame.left, height),
    ]
    for s in segments:
        share = trainable_share(s, layers)
        words = f"segment {s.index}: {share:.0%} of the parameters are trainable "
        title = element("title", f"{words}({number_format.number(s.trainable_parameters)})")
        width = (s.end - s.start) * frame.scale
        parts.append(draw_rect("share", frame.x(s.start), y + height * (1 - share), width, height * share, title))
    parts += [
        draw_text(text, "count", frame.right + 10, at, font_size=10)
        for text, at in (("100 %", y + 9), ("0 %", y + height))
    ]
    return element("g", *parts)


def _axis(frame: Frame, y: float) -> Markup:
    parts = [_side(frame, "epoch", y + 16)]
    for epoch in number_format.epoch_ticks(frame.epochs, frame.right - frame.left):
        x = frame.x(epoch)
        parts += [
            element("line", class_="tick", x1=x, x2=x, y1=y, y2=y + 4),
            draw_text(str(epoch), "axis", x, y + 17, text_anchor="middle"),
        ]
    return element("g", *parts)
