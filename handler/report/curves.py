"""SVG charts of loss and metrics by epoch, with the segments in the background."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from handler.records import PlannedSegment
from handler.report import number_format
from handler.report.svg import draw_rect, draw_text, element, join, picture

WIDTH, HEIGHT = 560.0, 268.0
LEFT, RIGHT, TOP, BOTTOM = 54.0, 14.0, 18.0, 34.0
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
RATES = ("learning_rate", "lr")
FALLING = ("loss", "error", "crossentropy", "divergence")
Axis = Callable[[float], float]
Place = Callable[[int, float], tuple[float, float] | None]


@dataclass(frozen=True)
class Chart:
    """The chart of one metric.

    Attributes:
        name: the metric.
        best: its last and its best value, in words.
        svg: the drawing of its curves (`training`, `validation`).
    """

    name: str
    best: str
    svg: Markup


def charts(
    history: dict[str, list[float]], segments: Sequence[PlannedSegment], *, readings: bool = True
) -> list[Chart]:
    """Return a chart per metric of the history; `val_x` is drawn with `x`. Learning rates are in the schedule's image.

    Args:
        history: metric -> one value per epoch.
        segments: the plan, drawn behind the curves.
        readings: whether hovering shows the values of an epoch.
    """
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history if name not in RATES))
    drawn = []
    for name in sorted(names, key=lambda n: (n != "loss", names.index(n))):
        keys = {"training": name, "validation": f"val_{name}"}
        curves = {kind: history[key] for kind, key in keys.items() if key in history}
        if any(curves.values()):
            drawn.append(Chart(name, _best(name, curves), _draw(name, curves, segments, readings)))
    return drawn


def _best(name: str, curves: dict[str, list[float]]) -> str:
    """Return the last value and, if it is another one, the best value, in words."""
    kind, values = list(curves.items())[-1]
    word = {"training": "", "validation": "validation "}[kind]
    last = f"{word}{number_format.number(values[-1])}"
    finite = [(v, e) for e, v in enumerate(values) if math.isfinite(v)]
    if not finite:
        return f"{word}not finite"
    value, epoch = min(finite) if is_lower_better(name) else max(finite, key=lambda pair: (pair[0], -pair[1]))
    return last if epoch == len(values) - 1 else f"{last}, best {number_format.number(value)} in epoch {epoch}"


def is_lower_better(metric: str) -> bool:
    """Return whether a lower value of a metric is better, judged by its name."""
    return any(part in metric for part in FALLING) or metric.removeprefix("val_") in ("mse", "mae", "mape", "msle")


def _draw(name: str, curves: dict[str, list[float]], segments: Sequence[PlannedSegment], readings: bool) -> Markup:
    values = [v for curve in curves.values() for v in curve if math.isfinite(v)] or [0.0]
    epochs = max(len(curve) for curve in curves.values())
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > 40
    if logarithmic:
        low, high = math.log10(low), math.log10(high)
    pad = (high - low) * 0.06 or abs(high) * 0.05 or 0.5
    low, high = (0.0 if not logarithmic and 0 <= low < (high - low) * 0.25 else low - pad), high + pad
    x, linear_y = axes(epochs, low, high)

    def y(value: float) -> float:
        return linear_y(math.log10(value) if logarithmic else value)

    def place(epoch: int, value: float) -> tuple[float, float] | None:
        drawn = math.isfinite(value) and (value > 0 or not logarithmic)
        return (x(epoch + 0.5), y(value)) if drawn else None

    parts = [
        _bands(segments, epochs, x),
        gridlines(_value_ticks(low, high, logarithmic), y),
        draw_boundaries(segments, epochs, x, TOP, TOP + PLOT_HEIGHT),
        epoch_labels(epochs, x),
        draw_text("epoch", "axis", LEFT + PLOT_WIDTH, TOP + PLOT_HEIGHT + 31, text_anchor="end"),
    ]
    for kind, curve in curves.items():
        parts.append(_curve(kind, [place(e, v) for e, v in enumerate(curve)]))
    if readings:
        parts.append(_readings(curves, epochs, segments, x, place))
    return picture(WIDTH, HEIGHT, f"{name} over {epochs} epochs", *parts, class_="chart")


def axes(epochs: int, low: float, high: float) -> tuple[Axis, Axis]:
    """Return the functions that place an epoch, and a value between `low` and `high`, in a chart, in pixels."""

    def x(epoch: float) -> float:
        return LEFT + PLOT_WIDTH * epoch / epochs

    def y(value: float) -> float:
        return TOP + PLOT_HEIGHT * (1 - (value - low) / (high - low))

    return x, y


def gridlines(ticks: Sequence[float], y: Axis) -> Markup:
    """Draw a line across the chart at each value, labelled with the value."""
    right = WIDTH - RIGHT
    return join(
        element("line", class_="gridline", x1=LEFT, x2=right, y1=y(tick), y2=y(tick))
        + draw_text(number_format.number(tick), "axis", LEFT - 8, y(tick) + 4, text_anchor="end")
        for tick in ticks
    )


def epoch_labels(epochs: int, x: Axis) -> Markup:
    """Draw the numbers of some epochs below the chart."""
    below = HEIGHT - BOTTOM + 17
    return join(
        draw_text(str(epoch), "axis", x(epoch), below, text_anchor="middle")
        for epoch in number_format.epoch_ticks(epochs, PLOT_WIDTH)
    )


def draw_boundaries(segments: Sequence[PlannedSegment], epochs: int, x: Axis, top: float, bottom: float) -> Markup:
    """Draw a vertical line at the start of each segment after the first, up to the last epoch."""
    dense = " dense" if len(segments) > 60 else ""
    starts = [s.start for s in segments if 0 < s.start < epochs]
    return join(
        element("line", class_=f"boundary{dense}", x1=x(start), x2=x(start), y1=top, y2=bottom, data_epoch=start)
        for start in starts
    )


def _bands(segments: Sequence[PlannedSegment], epochs: int, x: Axis) -> Markup:
    return join(
        draw_rect(
            f"band {'odd' if s.index % 2 else 'even'}", x(s.start), TOP, x(min(s.end, epochs)) - x(s.start), PLOT_HEIGHT
        )
        for s in segments
        if s.start < epochs
    )


def _value_ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if not logarithmic:
        return number_format.ticks(low, high, 5)
    whole = range(math.ceil(low), math.floor(high) + 1)
    steps = (1, 2, 5) if len(whole) < 4 else (1,)
    exact = (m * 10.0**p for p in range(math.floor(low), math.ceil(high) + 1) for m in steps)
    return [v for v in exact if low <= math.log10(v) <= high]


def _curve(kind: str, points: list[tuple[float, float] | None]) -> Markup:
    path, pen = "", False
    for point in points:
        path += f"{'L' if pen else 'M'}{point[0]:.1f} {point[1]:.1f}" if point else ""
        pen = point is not None
    beside = zip([None, *points], points, [*points[1:], None], strict=False)
    alone = [point for before, point, after in beside if point and not before and not after]
    dots = [
        element("circle", class_=f"dot {kind}", cx=point[0], cy=point[1], r=2.4)
        for point in (points if len(points) <= 40 else alone)
        if point
    ]
    return element("g", element("path", class_=f"curve {kind}", d=path), *dots)


def _readings(
    curves: dict[str, list[float]], epochs: int, segments: Sequence[PlannedSegment], x: Axis, place: Place
) -> Markup:
    """Draw an invisible column per epoch that shows the values on hovering."""
    columns = []
    for epoch in range(epochs):
        values = {kind: curve[epoch] for kind, curve in curves.items() if epoch < len(curve)}
        segment = next((s for s in segments if s.start <= epoch < s.end), None)
        where = f"epoch {epoch}" + (f" (segment {segment.index})" if segment else "")
        words = "\n".join([where, *(f"{kind}: {number_format.number(v)}" for kind, v in values.items())])
        points = [(kind, place(epoch, value)) for kind, value in values.items()]
        marks = [element("circle", class_=f"mark {kind}", cx=at[0], cy=at[1], r=4) for kind, at in points if at]
        hit = draw_rect("hit", x(epoch), TOP, x(epoch + 1) - x(epoch), PLOT_HEIGHT, element("title", words))
        columns.append(element("g", hit, *marks, class_="reading"))
    return join(columns)
