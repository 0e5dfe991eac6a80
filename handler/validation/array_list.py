"""The input arrays of a training as a list, whether a user gives one array or several."""

from typing import Any


def list_arrays(X: Any) -> list[Any]:
    """Return X, an array or a list of arrays, as a list of arrays."""
    return list(X) if isinstance(X, list | tuple) else [X]
