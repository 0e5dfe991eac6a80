"""The tables and number formats of the commands' output for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table
from rich.text import Text

from handler.records import SegmentRecord, rate_text

COLOURS = {"completed": "green", "running": "cyan", "interrupted": "yellow", "killed": "yellow", "failed": "red"}
COLOURS |= dict.fromkeys(("refused", "busy"), "red")


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table with these columns."""
    made = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False
    )
    for column in columns:
        number = column in ("epochs", "loss", "seconds", "parameters", "rate", "rate set", "points")
        whole = column in ("run", "file")  # users copy these into the next command
        made.add_column(
            column, justify="right" if number else "left", no_wrap=number, overflow="fold" if whole else "ellipsis"
        )
    return made


def coloured(status: str) -> Text:
    """Return a status as coloured text."""
    return Text(status, style=COLOURS.get(status, "dim"))


def names(layers: Sequence[str], at_most: int = 4) -> str:
    """Return the first layer names, and the number of the others."""
    if not layers:
        return "-"
    more = len(layers) - at_most
    return ", ".join(layers[:at_most]) + (f" +{more}" if more > 0 else "")


def duration(seconds: float) -> str:
    """Return seconds in a readable unit."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Return bytes in a readable unit."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def moment(text: str) -> str:
    """Return an ISO time as local time to the second."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return text


def segments_table(segments: Sequence[SegmentRecord]) -> Table:
    """Return the table of a run's segments."""
    made = table("epochs", "frozen", "rate set", "source", "seconds", "state", title="segments")
    for s in segments:
        colour = {"trained": "cyan", "resumed": "yellow", "cached": "green"}[s.source]
        made.add_row(
            f"{s.start}-{s.end}",
            names(s.frozen),
            rate_text(s.learning_rate),
            Text(s.source, style=colour),
            f"{s.seconds:.1f}" if s.trained_epochs else "-",
            s.state[:12],
        )
    return made


def scores_tables(scores: dict[str, object]) -> list[Table]:
    """Return the tables of a prediction's scores: overall, per class, confusion matrix."""
    whole = table("score", "value", title="scores")
    for name in ("overall_accuracy", "mean_iou", "mae", "rmse", "r2"):
        if isinstance(value := scores.get(name), int | float):
            whole.add_row(name.replace("_", " "), f"{value:.4f}")
    made = [whole]
    if isinstance(classes := scores.get("classes"), dict):
        by_class = table("class", "IoU", "F1", "precision", "recall", "points")
        for name, values in classes.items():
            figures = [values.get(key) for key in ("iou", "f1", "precision", "recall")]
            by_class.add_row(name, *("-" if f is None else f"{f:.4f}" for f in figures), str(values.get("points", "")))
        made.append(by_class)
        if isinstance(matrix := scores.get("confusion_matrix"), list):
            confused = table("labelled as", *(f"predicted {name}" for name in classes))
            for name, row in zip(classes, matrix, strict=False):
                confused.add_row(name, *(str(count) for count in row))
            made.append(confused)
    return made
