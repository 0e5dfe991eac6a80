"""The image of layers x epochs as a PNG, for `plan --png` in a terminal and for Prefect's artifacts."""

from __future__ import annotations

import warnings
from pathlib import Path

from handler.records import Plan, rate_text
from handler.report import number_format
from handler.report.layer_spans import Row, rows, trainable_share
from handler.store.atomic_files import atomic_write

TRAINING, FROZEN, HELD, INK, MUTED, RATE = "#f6b65c", "#8cc4ec", "#b3bdc9", "#16202c", "#5b6a7c", "#1769c2"


def draw_schedule(plan: Plan, file: Path) -> None:
    """Draw the epochs in which each layer is trainable, with the learning rate above and the trainable share below.

    The trainable share is the share of the parameters that are trainable.

    Args:
        plan: the planned segments and layers.
        file: the PNG to write, atomically; its folder must exist.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = rows(plan.layers, plan.segments)
    row = max(0.075, min(0.24, 11 / max(len(found), 1)))  # inches
    heights = [0.75, max(row * len(found), 0.6), 0.55]
    widest = max((len(_short(r.path)) for r in found), default=0)
    left, right, top, bottom = 0.35 + 0.075 * max(widest, 16), 0.6, 0.75, 0.6
    width, height = 8.2 + left + right, sum(heights) + 0.2 + top + bottom
    figure = Figure(figsize=(width, height), dpi=130, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        3,
        1,
        height_ratios=heights,
        hspace=0.2 / (sum(heights) / 3) / 2,
        left=left / width,
        right=1 - right / width,
        top=1 - top / height,
        bottom=bottom / height,
    )
    above, middle, below = (figure.add_subplot(grid[i]) for i in range(3))
    _rates(above, plan)
    _mask(middle, plan, found, row)
    _shares(below, plan)
    for axes in (above, middle, below):
        axes.set_xlim(0, max(plan.epochs, 1))
        axes.tick_params(labelsize=8, colors=MUTED, length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        if len(plan.segments) <= 60:
            for segment in plan.segments[1:]:
                axes.axvline(segment.start, color=INK, linewidth=0.5, alpha=0.45)
    for axes in (above, middle):
        axes.set_xticks([])
    below.set_xticks(number_format.epoch_ticks(plan.epochs, 780))
    below.set_xlabel("epoch", fontsize=8, color=MUTED)
    _legend(figure, plan, found, left / width, height)
    with atomic_write(file) as beside, warnings.catch_warnings(), beside.open("wb") as out:
        warnings.filterwarnings("ignore", message="Glyph")  # characters that the font lacks are drawn as boxes
        canvas.print_png(out, metadata={"Software": None})


def _short(path: str) -> str:
    return path if len(path) <= 34 else f"{path[:14]}…{path[-18:]}"


def _mask(axes, plan: Plan, found: list[Row], row: float) -> None:  # type: ignore[no-untyped-def]
    gap = 0.14 if row >= 0.12 else 0.0
    for state, colour in (("training", TRAINING), ("frozen", FROZEN), ("held", HELD)):
        for i, each in enumerate(found):
            spans = [(s.start, s.end - s.start) for s in each.spans if s.state == state]
            if spans:
                axes.broken_barh(spans, (i + gap / 2, 1 - gap), facecolors=colour, linewidth=0)
    axes.set_ylim(max(len(found), 1), 0)
    every = max(1, round(0.1 / row)) if row < 0.1 else 1
    axes.set_yticks([i + 0.5 for i in range(0, len(found), every)])
    axes.set_yticklabels(
        [_short(r.path) for r in found[::every]],
        fontsize=max(5.5, min(8.0, row * every * 58)),
        family="monospace",
        color=INK,
        parse_math=False,
    )


def _rates(axes, plan: Plan) -> None:  # type: ignore[no-untyped-def]
    known = [s for s in plan.segments if s.learning_rate]
    axes.set_yticks([])
    axes.set_ylabel("learning rate", fontsize=8, color=MUTED, rotation=0, ha="right", va="center")
    axes.set_ylim(0, 1)
    if not known:
        axes.text(0, 0.4, f"set by {plan.segments[0].rate_setter or 'the optimizer'}", fontsize=8, color=MUTED)
        return
    axes.set_yscale("log")
    values = [s.learning_rate or 1.0 for s in known]
    axes.set_ylim(min(values) / 1.6, max(values) * (max(values) / min(values)) ** 0.6 * 2.5)
    axes.set_yticks([], minor=False)
    axes.set_yticks([], minor=True)
    free, before = -1.0, None
    for segment, value in zip(known, values, strict=True):
        axes.plot([segment.start, segment.end], [value, value], color=RATE, linewidth=1.8, solid_capstyle="butt")
        if before is not None and before[1] == segment.start:
            axes.plot([segment.start] * 2, [before[0], value], color=RATE, linewidth=1.0)
        if (before is None or value != before[0]) and segment.start >= free:
            text = rate_text(value)
            axes.annotate(
                text, (segment.start, value), xytext=(3, 4), textcoords="offset points", fontsize=7.5, color=RATE
            )
            free = segment.start + plan.epochs * (len(text) + 2) / 130
        before = (value, segment.end)


def _shares(axes, plan: Plan) -> None:  # type: ignore[no-untyped-def]
    for segment in plan.segments:
        share = trainable_share(segment, plan.layers)
        axes.bar(
            segment.start,
            share,
            width=segment.end - segment.start,
            align="edge",
            color=TRAINING,
            linewidth=0,
            alpha=0.85,
        )
    axes.set_ylim(0, 1)
    axes.yaxis.tick_right()
    axes.set_yticks([0, 1])
    axes.set_yticklabels(["0 %", "100 %"])
    axes.yaxis.set_label_position("left")
    axes.set_ylabel("share that trains", fontsize=8, color=MUTED, rotation=0, ha="right", va="center")
    axes.set_facecolor("#edf2f7")


def _legend(figure, plan: Plan, found: list[Row], left: float, height: float) -> None:  # type: ignore[no-untyped-def]
    from matplotlib.patches import Patch

    held = any(s.state == "held" for r in found for s in r.spans)
    states = [(TRAINING, "training"), (FROZEN, "frozen")] + ([(HELD, "frozen by the user")] if held else [])
    cached = f", {plan.cached_epochs} of them in the store" if plan.cached_epochs else ""
    figure.text(left, 1 - 0.28 / height, plan.run, fontsize=12, fontweight="bold", color=INK, parse_math=False)
    figure.text(
        left,
        1 - 0.5 / height,
        f"{len(found)} layers, {plan.epochs} epochs{cached}, {len(plan.segments)} segments",
        fontsize=8.5,
        color=MUTED,
    )
    figure.legend(
        handles=[Patch(color=colour, label=label) for colour, label in states],
        loc="upper right",
        ncols=3,
        fontsize=8,
        frameon=False,
        bbox_to_anchor=(0.97, 1 - 0.18 / height),
        labelcolor=MUTED,
        handlelength=1.2,
    )
