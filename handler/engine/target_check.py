"""Check before the first step that the targets fit the loss and the network's output."""

from collections.abc import Collection
from typing import Any

import numpy as np

from handler.engine.losses import BINARY, CLASSES, NUMBERS, ONE_HOT, classify_loss, describe_loss
from handler.errors import DataError, SpecError
from handler.store.arrays import slabs

LOSS = "model.compile.loss"
Shape = tuple[int | None, ...]


def check_targets(
    y: Any, loss: Any, output: Shape, *, where: str = "data.source", name: str = "y", ignored: Collection[int] = ()
) -> None:
    """Raise an error for targets that one of Keras's losses cannot compare with the network's output.

    Args:
        y: the targets, with the examples along the first axis.
        loss: the loss with which the model was compiled.
        output: the shape of the network's output for one example; None for an axis of any length.
        where: the path of the specification's field that provides the targets.
        name: the name of the targets in messages.
        ignored: labels that are never a target.

    Raises:
        SpecError: the loss does not fit the output or the form of the targets; names a remedy.
        DataError: a value is no class, or no probability; names the value and its row.
    """
    family, target, called = classify_loss(loss), tuple(y.shape[1:]), describe_loss(loss)
    if family in (CLASSES, ONE_HOT):
        if not output or output[-1] == 1:
            raise SpecError(
                LOSS,
                f"{called} needs a unit per class, but the network's output has one unit; use binary_crossentropy with "
                "a sigmoid for two classes, mse for numbers, or give the output a unit per class",
            )
        _check_form(family, target, output, called, name)
    elif family in (BINARY, NUMBERS) and not any(
        _equal(one, other) for one, other in ((target, output), ((*target, 1), output), (target, (*output, 1)))
    ):
        raise SpecError(
            LOSS,
            f"{called} compares {name} and the network's output number by number, but an example of {name} has the "
            f"shape {target} and the output {_shown(output)}; {_remedy(target, output)}",
        )
    if family == CLASSES:
        _check_labels(y, int(output[-1] or 0), where, name, {*ignored, *_ignored_by(loss)})
    if family == BINARY:
        _check_values(y, where, name, ignored, called)


def _check_form(family: str, target: tuple[int, ...], output: Shape, called: str, name: str) -> None:
    """Raise `SpecError` for one value per class where the loss takes class numbers, and the reverse."""
    numbers = any(_equal(target, shape) for shape in (output[:-1], (*output[:-1], 1)))
    if numbers if family == CLASSES else _equal(target, output):
        return
    if family == CLASSES and _equal(target, output):
        raise SpecError(
            LOSS,
            f"{called} takes class numbers, but {name} has one value per class (shape {target} an example); use "
            f"categorical_crossentropy, or {name}.argmax(axis=-1)",
        )
    if family == ONE_HOT and numbers:
        raise SpecError(
            LOSS,
            f"{called} takes one value per class, but {name} has class numbers (shape {target} an example); use "
            f"sparse_categorical_crossentropy, or keras.utils.to_categorical({name}, {output[-1]})",
        )
    wanted = output[:-1] if family == CLASSES else output
    raise SpecError(
        LOSS,
        f"{called} takes {family} of the shape {_shown(wanted)} an example for the network's output of shape "
        f"{_shown(output)}, but {name} has {target}; change the output, or the targets",
    )


def _check_labels(y: Any, units: int, where: str, name: str, ignored: Collection[int]) -> None:
    for start, end in slabs(y):
        part = np.asarray(y[start:end])
        wrong = (part < 0) | (part >= units) if units else part < 0
        if part.dtype.kind == "f":
            wrong |= part != np.floor(part)
        wrong &= ~np.isin(part, list(ignored))
        if wrong.any():
            row, value = _first(part, wrong)
            raise DataError(
                where,
                f"{name} has the label {value} in row {start + row}, but the network's output has {units} units, for "
                f"the classes 0 to {units - 1}; give it a unit per class, or correct the labels (one that is never a "
                "target is data.args.ignore_label of a file, or the loss's ignore_class)",
            )


def _check_values(y: Any, where: str, name: str, ignored: Collection[int], called: str) -> None:
    for start, end in slabs(y):
        part = np.asarray(y[start:end])
        if part.dtype.kind == "b":
            return
        wrong = ((part < 0) | (part > 1)) & ~np.isin(part, list(ignored))
        if wrong.any():
            row, value = _first(part, wrong)
            raise DataError(
                where,
                f"{name} has the value {value} in row {start + row}, but {called} takes values from 0 to 1; correct "
                "the targets, or use sparse_categorical_crossentropy with a unit per class, or mse",
            )


def _first(part: np.ndarray, wrong: np.ndarray) -> tuple[int, Any]:
    """Return the row of the first wrong value, and the value."""
    place = int(np.argmax(wrong))
    return int(np.unravel_index(place, part.shape)[0]), part.reshape(-1)[place].item()


def _ignored_by(loss: Any) -> list[int]:
    ignored = getattr(loss, "ignore_class", None)
    return [] if ignored is None else [ignored]


def _equal(target: Shape, output: Shape) -> bool:
    return len(target) == len(output) and all(
        o is None or t is None or t == o for t, o in zip(target, output, strict=True)
    )


def _shown(shape: Shape) -> str:
    return str(tuple("any" if size is None else size for size in shape)).replace("'any'", "any")


def _remedy(target: tuple[int, ...], output: Shape) -> str:
    if len(output) and len(target) < len(output) and (output[-1] or 0) > 1:
        return "use sparse_categorical_crossentropy for class numbers, or give the output one unit"
    return "give the output the shape of the targets"
