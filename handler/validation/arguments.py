"""Checks of the arguments of the public classes; each refuses an unusable one in one sentence."""

from typing import Any

import keras

from handler.errors import DataError, SpecError
from handler.validation.array_list import list_arrays


def describe_value(value: Any) -> str:
    """Return a value as a message names it: plain values as they are, others by their class."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if (value is None or isinstance(value, bool | int | float | str)) and len(repr(value)) < 80:
        return repr(value)
    return f"an object of class {type(value).__name__}"


def check_kinds(X: Any, y: Any, names: tuple[str, str] = ("X", "y")) -> None:
    """Raise `DataError` for data that are no arrays, whatever their dtype; see `check_data`."""
    parts = list_arrays(X)
    if isinstance(X, list | tuple) and parts and all(isinstance(part, int | float) for part in parts):
        raise DataError(names[0], f"is a list of numbers; give np.asarray({names[0]})")
    for i, part in enumerate(parts):
        _check_array(f"{names[0]}[{i}]" if isinstance(X, list | tuple) else names[0], part)
    _check_array(names[1], y)


def _check_array(name: str, value: Any) -> None:
    do = None
    if isinstance(value, dict):
        do = "a list of arrays in the order of the network's inputs" if name.startswith("X") else "one array of targets"
    elif hasattr(value, "to_numpy"):
        do = f"{name}.to_numpy()"
    elif hasattr(value, "as_numpy_iterator") or isinstance(value, keras.utils.PyDataset):
        do = "arrays: np.concatenate() of the batches' inputs, and of their targets"
    elif hasattr(value, "numpy") and not hasattr(value, "oindex"):
        do = f"{name}.numpy()"
    elif isinstance(value, list | tuple):
        do = f"np.asarray({name})"
    elif not (hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__")):
        do = "a NumPy array, a zarr array or, for several inputs, a list of them"
    if do is not None:
        raise DataError(name, f"must be an array of numbers, not {describe_value(value)}; give {do}")


def check_network(nn: Any, name: str) -> None:
    """Raise `SpecError` for a value that is no built `keras.Model`."""
    if not isinstance(nn, keras.Model):
        raise SpecError(name, f"must be a keras.Model, not {describe_value(nn)}")
    if not nn.built:
        raise SpecError(
            name, f"{nn.name!r} isn't built, so it has no weights; call it once, or call build(input_shape)"
        )


def check_whole(value: Any, name: str, unit: str) -> None:
    """Raise `SpecError` for a value that is no whole number, at least 1.

    Args:
        value: the value.
        name: the argument's name.
        unit: the things that it counts.
    """
    whole = isinstance(value, int) or hasattr(value, "__index__")
    if isinstance(value, bool) or not whole or value < 1:
        raise SpecError(name, f"must be a whole number of {unit}, at least 1, not {describe_value(value)}")


def check_function(function: Any, name: str, *, optional: bool = False) -> None:
    """Raise `SpecError` for a value that can't be called."""
    if not callable(function) and not (optional and function is None):
        raise SpecError(name, f"must be a function, not {describe_value(function)}")


def check_optimizer(optimizer: Any) -> None:
    """Raise `SpecError` for a value that is neither None nor a `keras.optimizers.Optimizer`."""
    if optimizer is not None and not isinstance(optimizer, keras.optimizers.Optimizer):
        raise SpecError(
            "optimizer", f"must be a keras.optimizers.Optimizer, such as Adam(1e-3), not {describe_value(optimizer)}"
        )
