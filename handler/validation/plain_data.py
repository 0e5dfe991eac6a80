"""Check of plain data: the values that a specification may hold, without passwords."""

import math
from collections.abc import Mapping
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import join, quote
from handler.errors.secrets import holds_password


def check_plain_data(value: Any, path: str = "") -> Any:
    """Return a value of plain data: text, finite numbers, true, false, null, lists and mappings of these.

    Raises:
        SpecError: a part of the value is no plain data, or holds a password.
    """
    if isinstance(value, Mapping):
        for key, part in value.items():
            if not isinstance(key, str):
                raise SpecError(path, f"the key {quote(key)} must be text; put it in quotes")
            check_plain_data(part, join(path, key))
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            check_plain_data(part, f"{path}[{i}]")
    elif isinstance(value, str) and holds_password(value):  # guard: password-in-specification
        raise SpecError(
            path,
            f"{quote(value)} contains a password or a signature, which the store and the report would contain; let "
            "your own code read it from the environment",
        )
    elif isinstance(value, float) and not math.isfinite(value):
        raise SpecError(path, f"must be a finite number, not {value}")
    elif not (value is None or isinstance(value, str | bool | int | float)):
        raise SpecError(
            path,
            f"must be text, a number, true, false, null, a list or a mapping, not {quote(value)}; "
            "if text is meant, put it in quotes",
        )
    return value
