"""Names of runs, which are also the names of their folders in the store."""

import re
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import quote

RUN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def check_run_name(name: Any, path: str = "") -> str:
    """Check the name of a run, which is also the name of its folder in the store, and return it.

    Args:
        name: the value given as a name.
        path: the path of the value, for messages.

    Raises:
        SpecError: the name has other characters than letters, digits, `.`, `_` and `-`, or begins so that it could
            leave the store.
    """
    if isinstance(name, str) and RUN_NAME.fullmatch(name):
        return name
    raise SpecError(
        path,
        f"{quote(name)} can't name a run; use up to 100 letters, digits, '.', '_' and '-', beginning with a letter, "
        "a digit or '_'",
    )
