"""The history of a training: one value per metric and epoch, with gaps. Needs no TensorFlow.

A metric may first appear in a later epoch, or be missing in one. Keras then keeps a shorter list, whose values can no
longer be assigned to epochs. Here each list has one value per epoch; `GAP`, a NaN, marks an epoch without a value.
"""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

GAP = float("nan")  # distinguished by identity from a metric that became NaN

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would evaluate a name that begins so

History = dict[str, list[float]]


def align(history: dict[str, list[Any]], rows: int, present: Collection[str]) -> None:
    """Pad each metric to one value per epoch, after Keras has appended the values of the last epoch.

    Args:
        history: the values by metric; changed in place.
        rows: the number of epochs.
        present: the metrics of the last epoch. Their lists are padded at the front, the others at the end.
    """
    for name, values in history.items():
        missing = [GAP] * (rows - len(values))
        values[:] = [*missing, *values] if name in present else [*values, *missing]


def to_json(history: Mapping[str, Sequence[Any]]) -> dict[str, list[float | None]]:
    """Return a history in the form of a state, with None for a gap."""
    return {name: [None if value is GAP else float(value) for value in values] for name, values in history.items()}


def from_json(stored: Mapping[str, Sequence[float | None]], rows: int) -> History:
    """Return the history of a state.

    Args:
        stored: the values by metric, with None for a gap; a list of an older version may be shorter.
        rows: the number of epochs.
    """
    history = {name: [GAP if value is None else float(value) for value in values] for name, values in stored.items()}
    align(history, rows, history)
    return history


def to_table(history: Mapping[str, Sequence[float]]) -> str:
    """Return a history as CSV, with a row per epoch and a column per metric; a cell without a number is empty."""
    rows = zip(*history.values(), strict=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *(f"'{name}" if name[:1] in _FORMULA else name for name in history)])
    for epoch, row in enumerate(rows):
        writer.writerow([epoch, *("" if value != value else repr(value) for value in row)])
    return text.getvalue()
