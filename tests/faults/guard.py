"""A guard of the product against a fault."""

from __future__ import annotations

from typing import NamedTuple

from tests.faults.operators import Operator


class Guard(NamedTuple):
    """A statement of the product that makes a fault harmless.

    The statement is marked there with the comment `# guard: name`.

    Attributes:
        name: the guard's name; unique, lower case, with hyphens.
        fault: the fault.
        protection: the protection against it.
        mutation: takes the protection out of the marked statement.
        test: the test that fails then.
    """

    name: str
    fault: str
    protection: str
    mutation: Operator
    test: str
