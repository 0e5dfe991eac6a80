"""Interpretation of a network's outputs (classes, two classes by a threshold, or numbers) and their scores."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from handler.data.scores import scores
from handler.engine.losses import BINARY, CLASSES, NUMBERS, ONE_HOT, classify_loss

Kind = Literal["classes", "binary", "numbers"]


def infer_kind(loss: Any, activation: str | None, units: int) -> Kind:
    """Return the kind of the outputs, from the loss they were trained with, else from the last activation.

    Args:
        loss: the loss that the model was compiled with.
        activation: the name of the last layer's activation, None if it has none.
        units: number of values that the network outputs per target.
    """
    family = classify_loss(loss)
    if family in (CLASSES, ONE_HOT) or activation == "softmax":
        return "classes" if units > 1 else "binary"
    if family == BINARY or (family is None and activation == "sigmoid"):
        return "binary"
    return "numbers" if family == NUMBERS or units == 1 else "classes"


def labels_of_outputs(predictions: np.ndarray, kind: Kind, loss: Any) -> np.ndarray | None:
    """Return the predicted labels, int64, or None if the outputs are numbers.

    The label of `classes` is the class with the largest output. The label of `binary` is 1 if the probability is at
    least 0.5 (a logit: at least 0), else 0.

    Args:
        predictions: (n, ..., units), or (n,).
        kind: the kind of the outputs, see `infer_kind`.
        loss: the loss; determines whether the outputs are logits.
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
    """Score outputs against the targets.

    Args:
        predictions: the outputs of the network.
        labels: the labels that they stand for, None for numbers.
        y: the targets: class numbers, one value per class, or numbers.
        names: the names of the classes, in the order of the outputs.
        ignored: the label that is never scored.

    Returns:
        The scores and messages about targets that are not scored. The scores of labels are those of
        `handler.data.scores.scores`; of numbers `points`, `mae`, `rmse` and `r2` (None if all of y is one number). The
        scores are None if nothing can be scored.
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
    notes = [f"{wrong} of {y.size} labels in y are outside 0 to {classes - 1} and are not scored"] if wrong else []
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
