"""What Frostline asks of Keras's optimizers, wrapped or not: their parts, their rate, and averages under a mask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from handler.distribution import refuse_unknown, scope_of
from handler.errors import SpecError


def unwrapped(optimizer: Any) -> Any:
    """The optimizer that a `LossScaleOptimizer` scales the loss for; any other itself."""
    return getattr(optimizer, "inner_optimizer", None) or optimizer


def is_divided(optimizer: Any) -> bool:
    """Whether it is a `MultiOptimizer`, which hands variables out to other optimizers."""
    import keras

    return isinstance(unwrapped(optimizer), keras.optimizers.MultiOptimizer)


def parts(optimizer: Any) -> list[Any]:
    """The optimizers that update variables: itself, unless it wraps others."""
    inner = unwrapped(optimizer)
    return list(inner.optimizers) if is_divided(inner) else [inner]


def rate(optimizer: Any) -> tuple[float | None, bool]:
    """The learning rate, and whether it is out of a schedule's hands.

    That is so where the optimizer follows a schedule or a function of its own, or has several rates; the rate is None
    then.
    """
    inner = unwrapped(optimizer)
    if is_divided(inner) or callable(inner._learning_rate):
        return None, True
    return float(str(inner.learning_rate.numpy())), False  # 0.01, not 0.009999999776


def build_optimizer(model: Any) -> None:
    """Builds the optimizer over everything that may ever train.

    Raises:
        SpecError: the model isn't compiled, is spread over devices otherwise than mirrored, or its optimizer was built
            over a part of what may train.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not model.compiled:
        raise SpecError("model", f"{model.name!r} isn't compiled; call compile() on it first")
    refuse_unknown(model)
    with scope_of(model):
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        for part in parts(optimizer):
            _track_all(part)
    known = {id(v) for v in unwrapped(optimizer)._trainable_variables}
    missing = [v.path for v in model.trainable_variables if id(v) not in known]
    if missing:
        raise SpecError(
            "model",
            f"the optimizer was built without {missing[0]!r} and {len(missing) - 1} more variables that may "
            "train; compile the model anew while everything is trainable",
        )


def _track_all(part: Any) -> None:
    """Sees to it that `part.variables` are all it keeps: a LossScaleOptimizer builds another so that Keras doesn't
    notice what it keeps for itself (Nadam's product).
    """
    import keras

    known = {id(variable) for variable in part.variables}
    for value in list(vars(part).values()):
        if isinstance(value, keras.Variable) and id(value) not in known:
            part._track_variable(value)


@contextlib.contextmanager
def averages_at_rest(model: Any) -> Iterator[None]:
    """While a train step is traced (or run eagerly): what rests isn't overwritten by its average (`use_ema`).

    Keras overwrites every variable the optimizer was built over, frozen or not. The average of a frozen variable goes
    on towards it, as Keras has it, but for the rounding: once there it stays.
    """
    training = {id(variable) for variable in model.trainable_variables}
    changed = [part for part in parts(model.optimizer) if part.use_ema]
    for part in changed:
        pairs = list(zip(part._trainable_variables, part._model_variables_moving_average, strict=True))
        awake = [pair for pair in pairs if id(pair[0]) in training]
        resting = [pair for pair in pairs if id(pair[0]) not in training]
        vars(part)["_overwrite_model_variables_with_average_value"] = _overwriting(awake)
        vars(part)["_update_model_variables_moving_average"] = _updating(part, resting)
    try:
        yield
    finally:
        for part in changed:
            del vars(part)["_overwrite_model_variables_with_average_value"]
            del vars(part)["_update_model_variables_moving_average"]


def _overwriting(pairs: list[tuple[Any, Any]]) -> Any:
    def overwrite(_: Any) -> None:
        for variable, average in pairs:
            if average is not None:
                variable.assign(average)

    return overwrite


def _updating(part: Any, resting: list[tuple[Any, Any]]) -> Any:
    from keras import ops

    update_all = part._update_model_variables_moving_average

    def update(variables: Any) -> None:
        before = [(variable, average, average.value * 1) for variable, average in resting if average is not None]
        update_all(variables)
        for variable, average, old in before:
            average.assign(ops.where(ops.equal(old, variable), old, average))

    return update
