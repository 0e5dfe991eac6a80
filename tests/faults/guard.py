"""What a guard against a fault is."""

from __future__ import annotations

from typing import NamedTuple


class Guard(NamedTuple):
    """Lines of the product that make a fault harmless.

    Attributes:
        fault: what can happen.
        what: what guards against it, in words.
        file: where that stands.
        line: the text that is the guard; it stands there once.
        instead: what replaces it when it is taken out.
        test: the test that fails then.
    """

    fault: str
    what: str
    file: str
    line: str
    instead: str
    test: str
