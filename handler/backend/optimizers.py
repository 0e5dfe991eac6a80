"""Access to Keras's optimizers, wrapped or not: inner optimizers, learning rate, EMA weights under a mask."""

import contextlib
from collections.abc import Iterator
from typing import Any

from handler.backend.devices import check_strategy, open_scope
from handler.errors import SpecError


def unwrapped(optimizer: Any) -> Any:
    """Return the optimizer that a `LossScaleOptimizer` wraps; any other optimizer itself."""
    return getattr(optimizer, "inner_optimizer", None) or optimizer


def optimized_variables(optimizer: Any) -> list[Any]:
    """Return the variables over which an optimizer was built."""
    return list(optimizer._trainable_variables)


def steps_taken(optimizer: Any) -> int:
    """Return the number of steps that an optimizer has taken, including those that only accumulated gradients."""
    return int(unwrapped(optimizer)._iterations.numpy())


def is_multi_optimizer(optimizer: Any) -> bool:
    """Return whether an optimizer is a `MultiOptimizer`, which assigns variables to several optimizers."""
    import keras

    return isinstance(unwrapped(optimizer), keras.optimizers.MultiOptimizer)


def inner_optimizers(optimizer: Any) -> list[Any]:
    """Return the optimizers that update variables: the optimizer itself, or those that it wraps."""
    inner = unwrapped(optimizer)
    return list(inner.optimizers) if is_multi_optimizer(inner) else [inner]


def read_learning_rate(optimizer: Any) -> tuple[float | None, bool]:
    """Return the learning rate, and whether a schedule entry cannot set it.

    The latter holds if the optimizer has a learning-rate schedule or function of its own, or several learning
    rates; then the rate is None.
    """
    inner = unwrapped(optimizer)
    if is_multi_optimizer(inner) or callable(inner._learning_rate):  # guard: rate-of-inner-optimizer
        return None, True
    return float(str(inner.learning_rate.numpy())), False  # 0.01, not the float32 value 0.009999999776


def build_optimizer(model: Any) -> None:
    """Build the optimizer over all variables that may ever be trainable.

    Raises:
        SpecError: the model isn't compiled, is distributed by another strategy than MirroredStrategy, or its
            optimizer was built over only a part of the variables that may be trainable.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not model.compiled:
        raise SpecError("model", f"{model.name!r} isn't compiled; call compile() on it first")
    check_strategy(model)
    with open_scope(model):
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        for part in inner_optimizers(optimizer):
            _track_all(part)
    known = {id(v) for v in unwrapped(optimizer)._trainable_variables}
    missing = [v.path for v in model.trainable_variables if id(v) not in known]
    if missing:
        raise SpecError(
            "model",
            f"the optimizer was built without {missing[0]!r} and {len(missing) - 1} more trainable variables; "
            "compile the model again while all its layers are trainable",
        )


# See docs/decisions/0018-nadam-inside-a-loss-scale-optimizer.md.
def _track_all(part: Any) -> None:
    """Make `part.variables` contain all variables that an optimizer keeps.

    A LossScaleOptimizer builds its inner optimizer in such a way that Keras does not track the variables which that
    one keeps for itself (Nadam's product).
    """
    import keras

    known = {id(variable) for variable in part.variables}
    for value in list(vars(part).values()):
        if isinstance(value, keras.Variable) and id(value) not in known:
            part._track_variable(value)  # guard: forgotten-variable-tracked


# See docs/decisions/0020-ema-of-frozen-variables.md.
@contextlib.contextmanager
def exclude_frozen_from_ema(model: Any) -> Iterator[None]:
    """Keep `use_ema` from overwriting frozen variables while a train step is traced (or run eagerly).

    Keras overwrites every variable over which the optimizer was built, frozen or not. The EMA of a frozen variable
    still moves towards the variable, as in Keras, except for rounding: once it is equal, it stays equal.
    """
    training = {id(variable) for variable in model.trainable_variables}
    changed = [part for part in inner_optimizers(model.optimizer) if part.use_ema]
    for part in changed:
        pairs = list(zip(part._trainable_variables, part._model_variables_moving_average, strict=True))
        trainable = [pair for pair in pairs if id(pair[0]) in training]  # guard: frozen-weight-not-averaged
        frozen = [pair for pair in pairs if id(pair[0]) not in training]
        vars(part)["_overwrite_model_variables_with_average_value"] = _overwriting(trainable)
        vars(part)["_update_model_variables_moving_average"] = _updating(part, frozen)
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


def _updating(part: Any, frozen: list[tuple[Any, Any]]) -> Any:
    from keras import ops

    update_all = part._update_model_variables_moving_average

    def update(variables: Any) -> None:
        before = [(variable, average, average.value * 1) for variable, average in frozen if average is not None]
        update_all(variables)
        for variable, average, old in before:
            average.assign(ops.where(ops.equal(old, variable), old, average))  # guard: converged-average-kept

    return update
