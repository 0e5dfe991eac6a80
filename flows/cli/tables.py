"""The tables and number formats of the commands' output for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from handler.errors.quoting import listing
from handler.records import SegmentRecord, rate_text

COLOURS = {"completed": "green", "running": "cyan", "interrupted": "yellow", "killed": "yellow", "failed": "red"}
COLOURS |= dict.fromkeys(("refused", "busy"), "red")


def table(*columns: str, rows: Iterable[Sequence[str | Text]] = (), title: str | None = None) -> Table:
    """Return a table; one whose columns have no names has no header."""
    made = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False,
        show_header=any(columns), padding=(0, 1) if any(columns) else (0, 1, 0, 0),
    )  # fmt: skip
    rows = list(rows)
    short = bool(rows) and all(len(row[0]) <= 34 for row in rows)  # longer names are folded, to be shown whole
    for column in columns:
        number = column in ("epochs", "loss", "seconds", "parameters", "rate", "rate set", "points")
        whole = column in ("run", "file", "path", "")  # users copy these into the next command
        made.add_column(
            column,
            justify="right" if number else "left",
            no_wrap=number or (column == "run" and short),
            overflow="fold" if whole else "ellipsis",
        )
    for row in rows:
        made.add_row(*row)
    return made


def coloured(status: str) -> Text:
    """Return a status as coloured text."""
    return Text(status, style=COLOURS.get(status, "dim"))


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
    colours = {"trained": "cyan", "resumed": "yellow", "cached": "green"}
    rows = [
        (
            f"{s.start}-{s.end}",
            listing(s.frozen, 4),
            rate_text(s.learning_rate),
            Text(s.source, style=colours[s.source]),
            f"{s.seconds:.1f}" if s.trained_epochs else "-",
            s.state[:12],
        )
        for s in segments
    ]
    return table("epochs", "frozen", "rate set", "source", "seconds", "state", rows=rows, title="segments")


def scores_tables(scores: dict[str, object]) -> list[Table]:
    """Return the tables of a prediction's scores: overall, per class, confusion matrix."""
    overall = [
        (name.replace("_", " "), f"{value:.4f}")
        for name in ("overall_accuracy", "mean_iou", "mae", "rmse", "r2")
        if isinstance(value := scores.get(name), int | float)
    ]
    made = [table("score", "value", rows=overall, title="scores")]
    if isinstance(classes := scores.get("classes"), dict):
        rows = [(name, *_class_scores(values)) for name, values in classes.items()]
        made.append(table("class", "IoU", "F1", "precision", "recall", "points", rows=rows))
    if isinstance(classes, dict) and isinstance(matrix := scores.get("confusion_matrix"), list):
        counts = [(name, *map(str, row)) for name, row in zip(classes, matrix, strict=False)]
        made.append(table("labelled as", *(f"predicted {name}" for name in classes), rows=counts))
    return made


def _class_scores(values: Mapping[str, Any]) -> list[str]:
    figures = [values.get(key) for key in ("iou", "f1", "precision", "recall")]
    return [*("-" if figure is None else f"{figure:.4f}" for figure in figures), str(values.get("points", ""))]
