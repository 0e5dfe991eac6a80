"""The guards and the markers of the product belong together, each guard can be taken out, and its test exists.

`mutate.py` takes the guards out and runs their tests.
"""

import ast
import builtins
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.faults.guards import GUARDS
from tests.faults.kill_points import CALLS
from tests.faults.markers import markers
from tests.faults.mutate import PAGE, page
from tests.faults.operators import mutant
from tests.faults.rewriting import formatted_anew, marked_lines, new_names, renamed
from tests.faults.soak_table import PLACES

ROOT = Path(__file__).parent.parent.parent
MARKERS = {marker.name: marker for marker in markers(ROOT)}


@cache
def text(file):
    return (ROOT / file).read_text(encoding="utf-8")


@cache
def parsed(source):
    return ast.parse(source)


@cache
def functions_in(file):
    return {node.name for node in ast.walk(parsed(text(file))) if isinstance(node, ast.FunctionDef)}


@cache
def names_of_module(file):
    tree = parsed(text(file))
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return imported | defined | {"self", *dir(builtins)}


@cache
def written_otherwise(file):
    """Return the file formatted anew and with other local names, the line of each guard there, and the new names."""
    names = new_names(parsed(text(file)))
    changed = formatted_anew(text(file), names)
    return changed, dict(marked_lines(changed)), names


def taken_out(source, line, guard):
    """Return the whole mutant, and the statement of the module that it changes, as modules of before and after."""
    before, after = parsed(source), mutant(source, line, guard.mutation)
    place = [statement.lineno <= line for statement in before.body].count(True) - 1
    return after, *(ast.Module(tree.body[place : place + 1], []) for tree in (before, after))


def test_guards_correspond_to_markers_one_to_one():
    assert Counter(marker.name for marker in markers(ROOT)) == Counter(guard.name for guard in GUARDS)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_can_be_taken_out(guard):
    place = MARKERS[guard.name]
    whole, before, changed = taken_out(text(place.file), place.line, guard)
    compile(whole, place.file, "exec")
    assert ast.dump(changed) != ast.dump(before)
    assert ast.dump(ast.parse(ast.unparse(changed))) == ast.dump(changed)
    assert guard.mutation.names <= names_of_module(place.file), "a local variable may get another name"


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_test_of_a_guard_exists(guard):
    file, _, name = guard.test.partition("::")
    assert name.partition("[")[0] in functions_in(file), guard.test


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_mutant_depends_on_neither_formatting_nor_local_names(guard):
    place = MARKERS[guard.name]
    changed, lines, names = written_otherwise(place.file)
    *_, expected = taken_out(text(place.file), place.line, guard)
    *_, mutant = taken_out(changed, lines[guard.name], guard)
    assert ast.dump(mutant) == ast.dump(renamed(expected, names))


def test_the_guards_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.faults.mutate --table"


def test_the_soak_table_has_a_row_for_every_point():
    assert CALLS.keys() <= PLACES.keys()
