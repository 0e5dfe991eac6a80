"""Scores of a classification, over the labelled points."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def scores(y_true: np.ndarray, y_pred: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the overall accuracy, and per class precision, recall, F1 and IoU.

    Args:
        y_true: (points,) class indices; points below 0 (ignored) are not counted.
        y_pred: (points,) class indices of all points.
        class_names: names of the classes, in order.

    Returns:
        JSON-able: `points`, `overall_accuracy`, `mean_iou` (over the classes that occur in either), `classes`
        (name -> `points`, `precision`, `recall`, `f1`, `iou`; None for a ratio whose denominator is 0), and
        `confusion_matrix` (rows: true class, columns: predicted).

    Raises:
        ValueError: no point is labelled, the lengths differ, or a label or prediction is no class.
    """
    y_true, y_pred, count = np.asarray(y_true).ravel(), np.asarray(y_pred).ravel(), len(class_names)
    if len(y_true) != len(y_pred):
        raise ValueError(f"{len(y_true)} labels and {len(y_pred)} predictions; give one prediction for each point")
    kept = y_true >= 0
    true, predicted = y_true[kept].astype(np.int64), y_pred[kept].astype(np.int64)
    if not len(true):
        raise ValueError("no point is labelled with one of the classes; give labels")
    if true.max() >= count or predicted.min() < 0 or predicted.max() >= count:
        raise ValueError(
            f"a label or a prediction is outside 0 to {count - 1}; give indices of {', '.join(class_names)}"
        )
    confusion = np.bincount(true * count + predicted, minlength=count * count).reshape(count, count)
    hits, rows, columns = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    classes = {
        name: {
            "points": int(rows[i]),
            "precision": _ratio(hits[i], columns[i]),
            "recall": _ratio(hits[i], rows[i]),
            "f1": _ratio(2 * hits[i], rows[i] + columns[i]),
            "iou": _ratio(hits[i], rows[i] + columns[i] - hits[i]),
        }
        for i, name in enumerate(class_names)
    }
    present = [entry["iou"] for entry in classes.values() if entry["iou"] is not None]
    return {
        "points": len(true),
        "overall_accuracy": float(hits.sum() / len(true)),
        "mean_iou": float(np.mean(present)),
        "classes": classes,
        "confusion_matrix": confusion.tolist(),
    }


def _ratio(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None
