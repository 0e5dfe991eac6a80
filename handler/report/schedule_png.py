"""The image of layers x epochs as a PNG, for `plan --png`: the elements of the SVG image, drawn by matplotlib.

See `docs/decisions/0058-one-layout-of-the-schedule.md`.
"""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from handler.records import Plan
from handler.report.schedule_svg import STATE_WORDS, WIDTH, schedule_picture
from handler.report.svg import draw_rect, draw_text, element, join
from handler.report.templates import style
from handler.store.atomic_files import atomic_write

HEADER = 52.0  # pixels above the schedule
POINTS = 0.75  # per CSS pixel
DPI = 130
# Class of an element -> variable of the style sheet, opacity, font size (pixels) or line width; the last class counts.
LOOKS = {
    **{kind: (kind, 1.0, 0.0) for kind in ("training", "frozen", "held", "cached")},
    **dict.fromkeys(("side", "axis", "count", "on-planned"), ("muted", 1.0, 12.0)),
    "planned": ("line", 1.0, 0.0),
    "share": ("training", 0.8, 0.0),
    "share-back": ("soft", 1.0, 0.0),
    "parameters": ("faint", 0.55, 0.0),
    "title": ("ink", 1.0, 16.0),
    "layer": ("ink", 1.0, 12.0),
    "note": ("muted", 1.0, 11.0),
    "on-cached": ("cached-ink", 1.0, 12.0),
    "rate": ("accent", 1.0, 2.0),
    "rate-dot": ("accent", 1.0, 2.0),
    "rate-label": ("accent", 1.0, 11.0),
    "boundary": ("boundary", 0.4, 1.0),
    "dense": ("boundary", 0.14, 1.0),
    "tick": ("faint", 1.0, 1.0),
}


# See docs/decisions/0058-one-layout-of-the-schedule.md.
def draw_schedule(plan: Plan, file: Path) -> None:
    """Draw the epochs in which each layer is trainable, with the learning rate above and the trainable share below.

    The PNG file is written atomically; its folder must exist.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cached = {s.index: "cached" for s in plan.segments if s.cached}
    schedule = schedule_picture(plan.layers, plan.segments, reached=plan.epochs, sources=cached)
    text = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", element("g", _header(plan), schedule))
    drawing = ElementTree.fromstring(text)  # noqa: S314 (own text, without what XML forbids)
    height = float(next(drawing.iter("svg")).get("height", "0"))
    figure = Figure(figsize=(WIDTH / 72 * POINTS, (height + HEADER) / 72 * POINTS), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, -HEADER))
    axes.set_axis_off()
    _draw(axes, drawing)
    with atomic_write(file) as beside, warnings.catch_warnings(), beside.open("wb") as out:
        warnings.filterwarnings("ignore", message="Glyph")  # characters that the font lacks are drawn as boxes
        canvas.print_png(out, metadata={"Software": None})


def light_colours() -> dict[str, str]:
    """Return the colours of the style sheet's light theme: name of the variable -> `#rrggbb`."""
    return dict(re.findall(r"--([\w-]+): (#\w{6})", style().partition("}")[0]))


def _header(plan: Plan) -> Markup:
    cached = f", {plan.cached_epochs} of them cached" if plan.cached_epochs else ""
    line = f"{len(plan.layers)} layers, {plan.epochs} epochs{cached}, {len(plan.segments)} segments"
    parts = [draw_text(plan.run, "title", 12.0, 22.0 - HEADER), draw_text(line, "side", 12.0, 40.0 - HEADER)]
    for x, (state, words) in zip((720.0, 820.0, 910.0), STATE_WORDS.items(), strict=True):
        parts.append(draw_rect(state, x, 12.0 - HEADER, 14.0, 12.0))
        parts.append(draw_text(words, "side", x + 20, 22.0 - HEADER))
    return join(parts)


def _draw(axes: Any, drawing: ElementTree.Element) -> None:
    """Draw the elements; rectangles of one look are one collection, since there may be thousands."""
    from matplotlib.collections import PolyCollection

    colours, boxes = light_colours(), dict[str, list[Any]]()
    for part in drawing.iter():
        kind = (part.get("class") or "").split(" ")[-1]
        variable, opacity, size = LOOKS.get(kind, ("ink", 1.0, 0.0))
        look = {"color": colours[variable], "alpha": opacity}
        x, y, width, height = (float(part.get(name, 0)) for name in ("x", "y", "width", "height"))
        if part.tag == "rect":
            boxes.setdefault(kind, []).append([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
        elif part.tag == "text":
            points = float(part.get("font-size", size)) * POINTS
            family = "monospace" if kind == "layer" else "sans-serif"
            align = {"end": "right", "middle": "center"}.get(part.get("text-anchor", ""), "left")
            font = {"fontsize": points, "family": family, "weight": "bold" if kind == "title" else "normal"}
            axes.text(x, y, part.text, ha=align, parse_math=False, **font, **look)
        elif part.tag == "circle":
            axes.plot(float(part.get("cx", 0)), float(part.get("cy", 0)), "o", markersize=size * 2 * POINTS, **look)
        for xs, ys in _lines(part):
            axes.plot(xs, ys, linewidth=size * POINTS, solid_capstyle="butt", **look)
    for kind, corners in boxes.items():
        variable, opacity, _ = LOOKS[kind]
        axes.add_collection(PolyCollection(corners, facecolors=colours[variable], alpha=opacity, linewidths=0))


def _lines(part: ElementTree.Element) -> Iterator[tuple[list[float], list[float]]]:
    """Yield the coordinates x and y of each connected line of an element."""
    if part.tag == "line":
        x1, x2, y1, y2 = (float(part.get(name, 0)) for name in ("x1", "x2", "y1", "y2"))
        yield [x1, x2], [y1, y2]
    for piece in part.get("d", "").split("M")[1:]:
        points = [point.split(" ") for point in piece.split("L")]
        yield [float(x) for x, _ in points], [float(y) for _, y in points]
