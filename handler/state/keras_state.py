"""The values of a network's variables: named for a state, assigned from a state, digested, and saved as a model."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from handler.backend import derived_state
from handler.errors import MismatchError
from handler.store.atomic_files import atomic_write
from handler.store.training_state import TrainingState


def to_array(variable: Any) -> np.ndarray:
    """Return a copy of a Keras variable's value."""
    return np.asarray(variable.numpy())  # `numpy()` copies


def named_variables(group: str, variables: list[Any]) -> dict[str, Any]:
    """Name Keras variables by position and path, as `model/0003 conv/kernel`; paths alone may occur twice."""
    return {f"{group}/{i:04d} {v.path}": v for i, v in enumerate(variables)}


def assign(variables: dict[str, Any], arrays: dict[str, np.ndarray], group: str, *, more: bool = False) -> None:
    """Assign the arrays of one group to the variables at the same positions.

    Variables match by position, shape and dtype. Their paths are not compared.

    Args:
        variables: variables named by `named_variables`.
        arrays: the arrays of all groups.
        group: the group.
        more: the group may hold arrays of further paths, which are ignored.

    Raises:
        MismatchError: the number of variables, a shape or a dtype differs; then no variable is assigned.
    """
    stored = {name: array for name, array in arrays.items() if name.startswith(group + "/")}
    if more and len(stored) > len(variables):
        paths = {variable.path for variable in variables.values()}
        stored = {name: array for name, array in stored.items() if name.partition(" ")[2] in paths}
    if len(stored) != len(variables):
        raise MismatchError(f"{group}: the state has {len(stored)} variables, the network has {len(variables)}")
    for (stored_name, array), (here, variable) in zip(stored.items(), variables.items(), strict=True):
        form = (tuple(variable.shape), str(variable.dtype))
        if (tuple(array.shape), array.dtype.name) != form:
            raise MismatchError(
                f"{here}: the state has {stored_name} of shape {tuple(array.shape)} and dtype {array.dtype.name}, "
                f"the network needs {form[0]} and {form[1]}"
            )
    for array, variable in zip(stored.values(), variables.values(), strict=True):
        variable.assign(array)


def put_into(model: Any, arrays: dict[str, np.ndarray]) -> bool:
    """Put a state's variables and lookup tables into a network.

    The layers recompute the tensors that they derive from these.

    Returns:
        Whether derived tensors changed. A function traced before holds the old values then; the model's own
        functions are dropped, others are the caller's to drop.

    Raises:
        MismatchError: the state belongs to another architecture.
    """
    assign(named_variables("model", model.variables), arrays, "model")  # guard: all-variables-in-state
    changed = derived_state.put_tables(model, arrays)  # guard: lookup-tables-in-state
    if changed:
        derived_state.forget_functions(model)
    return bool(derived_state.refresh(model)) or changed  # guard: derived-values-refreshed


def load_state(store: Any, key: str, model: Any) -> TrainingState:
    """Put a state of a store into a model, and return the state.

    It sets the model's variables and lookup tables and, if the model's optimizer is built, the optimizer's
    variables. They match by position, shape and dtype; names may differ, so auto-numbered layer names (`dense_7`)
    do not matter. Not set, but part of the returned state: the callbacks' state, the history, Keras's global seed
    generator, and the metrics of a state within an epoch.

    Args:
        store: a `Store`, or the path of one.
        key: the state's key.
        model: a built `keras.Model` of the same architecture.

    Raises:
        DamagedError: the state is absent or not intact.
        MismatchError: it belongs to another architecture.
    """
    from handler.store.store import Store

    opened = store if isinstance(store, Store) else Store(Path(store))
    state = opened.states.read(key)
    put_into(model, state.arrays)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        assign(named_variables("optimizer", optimizer.variables), state.arrays, "optimizer")
    return state


def weights_digest(model: Any) -> str:
    """Return the sha256 over every variable of `model.weights`, in order, each as C-contiguous little-endian bytes."""
    digest = hashlib.sha256()
    for variable in model.weights:
        values = to_array(variable)
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def save_model(model: Any, file: Path) -> Path:
    """Save a model as a `.keras` file atomically: written under a temporary name, synced, renamed."""
    with atomic_write(file) as beside:
        model.save(beside)
    return file
