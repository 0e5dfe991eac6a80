"""The form of a reference to the user's code, `module:function`."""

import re
from typing import Any

REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_reference(value: Any) -> bool:
    """Return whether a value has the form `module:function`."""
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None
