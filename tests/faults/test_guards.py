"""The table of guards is true: each stands where it is said to, and its test exists (`mutate.py` takes them out)."""

import ast
from pathlib import Path

import pytest

from tests.faults.guards import GUARDS
from tests.faults.mutate import without
from tests.faults.points import CALLS
from tests.faults.soak_table import PLACES

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("guard", GUARDS, ids=lambda g: g.fault)
def test_a_guard_stands_where_it_is_said_to_and_its_test_exists(guard):
    changed = without(guard, (ROOT / guard.file).read_text())
    ast.parse(changed)
    file, _, name = guard.test.partition("::")
    tests = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)}
    assert name.partition("[")[0] in tests, guard.test


def test_the_page_lists_every_guard():
    page = (ROOT / "docs" / "reliability.md").read_text()
    missing = [guard.fault for guard in GUARDS if f"| {guard.fault} | `{guard.file}`: {guard.what} | `{guard.test}` |" not in page]
    assert missing == [], "python -m tests.faults.mutate --table"


def test_every_point_has_its_line_in_the_table_of_a_soak():
    assert CALLS.keys() <= PLACES.keys()
