"""The HTML report of a sweep: a table of its runs, their curves in common charts, and the epochs saved by sharing."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from handler.records import RunRecord
from handler.report import number_format
from handler.report.curves import HEIGHT, RATES, WIDTH, axes, epoch_labels, gridlines, is_lower_better
from handler.report.svg import element, picture
from handler.report.templates import fill
from handler.spec.sweep import Variant, shared_epochs
from handler.store.atomic_files import write_file

# Eight hues that colour-blind readers can distinguish (Okabe and Ito, 2008, without yellow); more runs get dashes.
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c8c8c")
DASHES = (None, "6 3", "2 3", "8 3 2 3")


@dataclass(frozen=True)
class VariantRow:
    """A run of a sweep in the table.

    Attributes:
        name: the run's name.
        hue: colour of its curves.
        dash: dash pattern of its curves, or None.
        values: its values of the sweep's axes.
        status: status of the run, or the reason why it isn't complete.
        epochs: number of epochs of the run.
        trained: number of epochs that this run trained itself.
        seconds: seconds of its segments.
        last: the last value of each metric.
        best: the metrics in which it has the best last value of all runs.
    """

    name: str
    hue: str
    dash: str | None
    values: dict[str, Any]
    status: str
    epochs: int = 0
    trained: int = 0
    seconds: float = 0.0
    last: Mapping[str, float] = field(default_factory=dict)
    best: frozenset[str] = frozenset()


def write_comparison(
    name: str,
    variants: Sequence[Variant],
    records: Sequence[RunRecord],
    folder: Path,
    failures: Mapping[str, str] | None = None,
) -> Path:
    """Write `report.html` of a sweep atomically and return its path.

    Args:
        name: the sweep's name.
        variants: its trainings.
        records: the records of the trainings that are complete.
        folder: the sweep's folder, `<store>/sweeps/<sweep>`.
        failures: by training, the reason why it isn't complete.
    """
    rows = _rows(variants, records, failures or {})
    total, shared = shared_epochs(records)
    each = sum(row.seconds for row in rows) / max(1, sum(row.trained for row in rows))
    metrics = list(dict.fromkeys(metric for row in rows for metric in row.last))
    text = fill(
        "comparison.html",
        name,
        rows=rows,
        axes=list(dict.fromkeys(key for variant in variants for key in variant.values)),
        metrics=metrics,
        charts=[(metric, _chart(metric, rows, records)) for metric in metrics],
        total=total,
        shared=shared,
        saved=each * shared,
    )
    target = folder / "report.html"
    write_file(target, text.encode())
    return target


def _rows(variants: Sequence[Variant], records: Sequence[RunRecord], failures: Mapping[str, str]) -> list[VariantRow]:
    known = {record.run: record for record in records}
    last = {name: _last(record) for name, record in known.items()}
    best = _best(last.values())
    looks = itertools.product(DASHES, HUES)
    rows = []
    for variant, (dash, hue) in zip(variants, itertools.cycle(looks), strict=False):
        name, record = variant.name, known.get(variant.name)
        row = VariantRow(name, hue, dash, variant.values, status=failures.get(name, "not complete"))
        if record is not None:
            row = replace(
                row,
                status=record.status,
                epochs=record.epochs,
                trained=sum(s.trained_epochs for s in record.segments),
                seconds=sum(s.seconds for s in record.segments),
                last=last[name],
                best=frozenset(metric for metric, value in last[name].items() if value == best.get(metric)),
            )
        rows.append(row)
    return rows


def _last(record: RunRecord) -> dict[str, float]:
    return {metric: values[-1] for metric, values in record.history.items() if values and metric not in RATES}


def _best(results: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the best finite value of each metric: the lowest of a loss or error, the highest of a score."""
    best: dict[str, float] = {}
    for metric, value in itertools.chain.from_iterable(result.items() for result in results):
        if math.isfinite(value):
            best[metric] = (min if is_lower_better(metric) else max)(best.get(metric, value), value)
    return best


def _chart(metric: str, rows: Sequence[VariantRow], records: Sequence[RunRecord]) -> Markup:
    """Draw one metric of all runs by epoch."""
    curves: Mapping[str, list[float]] = {r.run: r.history[metric] for r in records if metric in r.history}
    finite = [value for curve in curves.values() for value in curve if math.isfinite(value)] or [0.0]
    epochs = max(map(len, curves.values()), default=1)
    pad = (max(finite) - min(finite)) * 0.06 or abs(max(finite)) * 0.05 or 0.5
    low, high = min(finite) - pad, max(finite) + pad
    x, y = axes(epochs, low, high)
    parts = [gridlines(number_format.ticks(low, high, 5), y), epoch_labels(epochs, x)]
    for row in rows:
        values = curves.get(row.name, ())
        drawn = itertools.groupby(enumerate(values), key=lambda pair: math.isfinite(pair[1]))
        for points in ([(x(e + 0.5), y(v)) for e, v in part] for finite, part in drawn if finite):
            parts.append(
                element(
                    "polyline",
                    element("title", f"{row.name}: {number_format.number(row.last.get(metric, ''))}"),
                    class_="run",
                    points=" ".join(f"{across:.1f},{down:.1f}" for across, down in points),
                    stroke=row.hue,
                    stroke_dasharray=row.dash,
                )
            )
    return picture(WIDTH, HEIGHT, f"{metric} of {len(curves)} runs over {epochs} epochs", *parts, class_="chart")
