"""The targets that a loss takes, by the loss's name: class numbers, one value per class, probabilities or numbers.

Needs no TensorFlow.
"""

from typing import Any

CLASSES, ONE_HOT, BINARY, NUMBERS = "class numbers", "one value per class", "probabilities", "numbers"
_FAMILIES = {
    CLASSES: ("sparsecategoricalcrossentropy",),
    ONE_HOT: ("categoricalcrossentropy", "categoricalfocalcrossentropy", "categoricalhinge"),
    BINARY: ("binarycrossentropy", "binaryfocalcrossentropy", "bce"),
    NUMBERS: (
        *("meansquarederror", "meanabsoluteerror", "meanabsolutepercentageerror", "meansquaredlogarithmicerror"),
        *("mse", "mae", "mape", "msle", "huber", "logcosh", "logcosherror", "poisson", "cosinesimilarity"),
        *("kldivergence", "kld", "kullbackleiblerdivergence", "hinge", "squaredhinge"),
    ),
}
_FAMILY = {name: family for family, names in _FAMILIES.items() for name in names}


def classify_loss(loss: Any) -> str | None:
    """Return the kind of targets that a loss of Keras takes; None for a user's own loss, and for no loss.

    Args:
        loss: as `keras.Model.compile` takes it: a name, a function or a `keras.losses.Loss`.
    """
    if isinstance(loss, str):
        name = loss
    elif (getattr(loss, "__module__", None) or type(loss).__module__).startswith("keras."):
        name = getattr(loss, "__name__", None) or type(loss).__name__
    else:
        return None
    return _FAMILY.get(name.replace("_", "").lower())


def describe_loss(loss: Any) -> str:
    """Return the name of a loss for a message."""
    return loss if isinstance(loss, str) else getattr(loss, "__name__", None) or type(loss).__name__


def is_one_hot(target: tuple[int, ...], floats: bool, loss: Any, output: tuple[int | None, ...] | None) -> bool:
    """Return whether targets have one value per class, whatever their dtype.

    Args:
        target: the shape of one example's target.
        floats: whether the targets are floating-point numbers; used only if neither the loss nor the output decides.
        loss: see `classify_loss`.
        output: the shape of the network's output for one example, or None if unknown.
    """
    if not target or target[-1] < 2:
        return False
    family = classify_loss(loss)
    if family is not None:
        return family != CLASSES
    if output is not None:
        return len(output) == len(target)
    return floats
