"""What a network's outputs mean: classes, two classes by a threshold, or numbers; and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from handler.data.scores import scores
from handler.engine.losses import BINARY, CLASSES, NUMBERS, ONE_HOT, family_of

Kind = Literal["classes", "binary", "numbers"]


def kind_of(loss: Any, activation: str | None, units: int) -> Kind:
    """What outputs mean, by the loss they were trained with, else by the last activation.

    Args:
        loss: as the model was compiled with it.
        activation: the name of the last layer's activation, None where it has none.
        units: how many values the network gives for a target.
    """
    family = family_of(loss)
    if family in (CLASSES, ONE_HOT) or activation == "softmax":
        return "classes" if units > 1 else "binary"
    if family == BINARY or (family is None and activation == "sigmoid"):
        return "binary"
    return "numbers" if family == NUMBERS or units == 1 else "classes"


def labels_of_outputs(predictions: np.ndarray, kind: Kind, loss: Any) -> np.ndarray | None:
    """The labels that outputs stand for, int64: the likeliest class, or whether a probability is 0.5 or more (a logit 0
    or more); None of numbers.

    Args:
        predictions: (n, ..., units), or (n,).
        kind: what they mean.
        loss: says whether they are logits.
    """
    if kind == "numbers":
        return None
    if kind == "classes":
        return predictions.argmax(axis=-1)
    labels = (predictions >= (0.0 if getattr(loss, "from_logits", False) else 0.5)).astype(np.int64)
    return labels[..., 0] if labels.ndim > 1 and labels.shape[-1] == 1 else labels


def score_outputs(
    predictions: np.ndarray,
    labels: np.ndarray | None,
    y: np.ndarray,
    names: Sequence[str] | None,
    ignored: int | None = None,
) -> tuple[dict[str, Any] | None, list[str]]:
    """How good outputs are, against the truth.

    Args:
        predictions: what the network gave.
        labels: what it stands for, None for numbers.
        y: the truth: class numbers, one value per class, or numbers.
        names: the classes' names, in the order of the outputs.
        ignored: the label that is never scored.

    Returns:
        The scores: of labels as `handler.data.scores.scores` has them, of numbers `points`, `mae`, `rmse` and `r2`
        (None where all of y is one number). None where nothing can be scored. And sentences on what isn't scored.
    """
    if labels is None:
        return _score_numbers(predictions, y)
    several = predictions.ndim > labels.ndim and predictions.shape[-1] > 1
    classes = predictions.shape[-1] if several else 2
    if several and y.shape == predictions.shape:
        y = y.argmax(axis=-1)
    y = y.reshape(labels.shape) if y.size == labels.size else y
    if y.shape != labels.shape:
        return None, [f"y has the shape {y.shape} and the labels {labels.shape}: nothing is scored"]
    whole = np.isfinite(y) & (y == np.floor(y)) if y.dtype.kind == "f" else np.ones(y.shape, bool)
    wanted = np.ones(y.shape, bool) if ignored is None else y != ignored
    kept = whole & wanted & (y >= 0) & (y < classes)
    wrong = int(np.count_nonzero(wanted & ~kept))
    notes = [f"{wrong} of {y.size} labels in y are none of 0 to {classes - 1} and are not scored"] if wrong else []
    if not kept.any():
        return None, notes
    if names is None or len(names) != classes:
        names = [str(i) for i in range(classes)]
    return scores(np.where(kept, y, -1).astype(np.int64), labels, names), notes


def _score_numbers(predictions: np.ndarray, y: np.ndarray) -> tuple[dict[str, Any] | None, list[str]]:
    if y.size != predictions.size or y.dtype.kind not in "fiub":
        return None, [f"y has the shape {y.shape} and the predictions {predictions.shape}: nothing is scored"]
    truth, given = y.astype(np.float64).ravel(), predictions.astype(np.float64).ravel()
    if not np.isfinite(truth).all():
        return None, ["y has values that are not finite: nothing is scored"]
    errors, spread = given - truth, float(np.sum((truth - truth.mean()) ** 2))
    return {
        "points": len(truth),
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "r2": 1.0 - float(np.sum(errors**2)) / spread if spread else None,
    }, []
