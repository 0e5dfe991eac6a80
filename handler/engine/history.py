"""The history of a training: one value per metric and epoch, a gap where an epoch has none. Needs no TensorFlow.

A metric may first appear in a later epoch, or be missing in one: Keras then keeps a shorter list, whose values no
longer say which epoch they belong to. Here each list has one value per epoch; `GAP`, a NaN, stands where there is none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

GAP = float("nan")  # told from a metric that became NaN by its identity

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run such a name

History = dict[str, list[float]]


def align(history: dict[str, list[Any]], rows: int, present: Collection[str]) -> None:
    """Gives each metric one value per epoch, after Keras has appended those of the last one.

    Args:
        history: metric to values; changed in place.
        rows: the number of epochs.
        present: the metrics of the last epoch; what one of these lacks is missing in front, else behind.
    """
    for name, values in history.items():
        missing = [GAP] * (rows - len(values))
        values[:] = [*missing, *values] if name in present else [*values, *missing]


def to_json(history: Mapping[str, Sequence[Any]]) -> dict[str, list[float | None]]:
    """A history as a state keeps it: None stands for a gap."""
    return {name: [None if value is GAP else float(value) for value in values] for name, values in history.items()}


def from_json(stored: Mapping[str, Sequence[float | None]], rows: int) -> History:
    """The history that a state keeps.

    Args:
        stored: metric to values, None for a gap; a list of an older version may be shorter.
        rows: the number of epochs.
    """
    history = {name: [GAP if value is None else float(value) for value in values] for name, values in stored.items()}
    align(history, rows, history)
    return history


def to_table(history: Mapping[str, Sequence[float]]) -> str:
    """A history as CSV: a row per epoch, a column per metric; a cell is empty where there is no number."""
    rows = zip(*history.values(), strict=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *(f"'{name}" if name[:1] in _FORMULA else name for name in history)])
    for epoch, row in enumerate(rows):
        writer.writerow([epoch, *("" if value != value else repr(value) for value in row)])
    return text.getvalue()
