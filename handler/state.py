"""What a training state is: everything that the next step depends on, as named arrays and plain JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import MismatchError
from handler.weights import derived


@dataclass
class TrainingState:
    """A training between two steps.

    Attributes:
        epoch: epochs completed.
        step: steps completed in the epoch that follows; 0 between epochs.
        arrays: `model/...` (weights, moving statistics, seed generators), `devices/...` (what other devices than the
            first have otherwise), `tables/...` (lookup tables, as JSON), `optimizer/...`, `random/global`,
            `callbacks/...` (arrays a callback keeps) and, within an epoch, `metrics/...`; any dtype.
        callbacks: the callbacks' own state, by class name and position among those of that class; plain JSON.
        history: metric name -> one value per completed epoch, None where it had none.
        stopped: True where a callback ended the training here.
    """

    epoch: int = 0
    step: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    history: dict[str, list[float | None]] = field(default_factory=dict)
    stopped: bool = False


def to_array(variable: Any) -> np.ndarray:
    """A copy of a Keras variable's value."""
    return np.asarray(variable.numpy())  # which copies already


def named(group: str, variables: list[Any]) -> dict[str, Any]:
    """Names Keras variables by position and path: `model/0003 conv/kernel`. Paths alone may occur twice."""
    return {f"{group}/{i:04d} {v.path}": v for i, v in enumerate(variables)}


def assign(variables: dict[str, Any], arrays: dict[str, np.ndarray], group: str, *, more: bool = False) -> None:
    """Puts the arrays of one group into variables of the same names.

    Args:
        variables: as `named` names them.
        arrays: those of all groups.
        group: which group.
        more: the group may hold arrays of further paths, which are left out.

    Raises:
        MismatchError: a name, a shape or a dtype differs; nothing is assigned then. Auto-numbered names (`dense_7`)
            are compared without their number, which counts what the process built before.
    """
    stored = {name: array for name, array in arrays.items() if name.startswith(group + "/")}
    if more and len(stored) > len(variables):
        paths = {variable.path for variable in variables.values()}
        stored = {name: array for name, array in stored.items() if name.partition(" ")[2] in paths}
    if len(stored) != len(variables):
        raise MismatchError(f"{group}: the state has {len(stored)} variables, the network has {len(variables)}")
    for (there, array), (here, variable) in zip(stored.items(), variables.items(), strict=True):
        found = (tuple(variable.shape), str(variable.dtype))
        if (tuple(array.shape), array.dtype.name) != found:
            raise MismatchError(
                f"{here}: the state holds {there} of shape {tuple(array.shape)} and type {array.dtype.name}, "
                f"the network's is {found[0]} and {found[1]}"
            )
    for array, variable in zip(stored.values(), variables.values(), strict=True):
        variable.assign(array)


def put_into(model: Any, arrays: dict[str, np.ndarray]) -> bool:
    """Puts a state's variables and lookup tables into a network, whose layers derive from them what they compute with.

    Returns:
        Whether what is derived has changed: a function traced before holds the old values then. The model's own are
        dropped.

    Raises:
        MismatchError: the state belongs to another architecture.
    """
    assign(named("model", model.variables), arrays, "model")
    changed = derived.put_tables(model, arrays)
    if changed:
        derived.forget_functions(model)
    return bool(derived.refresh(model)) or changed


def load_state(store: Any, key: str, model: Any) -> TrainingState:
    """Puts a state of a store into a model: its variables and, where it is compiled and built, its optimizer's.

    Args:
        store: a `Store` or the path of one.
        key: the state's key.
        model: a built `keras.Model` of the same architecture.

    Returns:
        The state.

    Raises:
        DamagedError: the state is absent or not intact. MismatchError: it belongs to another architecture.
    """
    from handler.store import Store

    opened = store if isinstance(store, Store) else Store(Path(store))
    state = opened.states.read(key)
    put_into(model, state.arrays)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        assign(named("optimizer", optimizer.variables), state.arrays, "optimizer")
    return state
