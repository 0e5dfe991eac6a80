"""Each operator changes the marked statement as it says, however the source is written, and nothing else."""

import ast

import pytest

from tests.faults import mutate
from tests.faults.guard import Guard
from tests.faults.markers import Marker, marked_lines, markers
from tests.faults.operators import (
    Parameter,
    TargetError,
    always,
    call,
    call_gives,
    catch,
    condition,
    drop_arguments,
    drop_clause,
    drop_context,
    drop_element,
    drop_entry,
    else_value,
    left_operand,
    mutant,
    never,
    no_iterations,
    outermost,
    remove,
    replace,
    reraise,
    returns,
    set_argument,
    then_value,
    unwrap,
    value,
)
from tests.faults.rewriting import formatted_anew, new_names, renamed

CASES = [
    (remove(), "a()\nb()  # guard: x", "a()"),
    (remove(), "if a:\n    b()  # guard: x", "if a:\n    pass"),
    (
        remove(),
        "try:\n    a()\nexcept E:  # guard: x\n    b()\nexcept F:\n    c()",
        "try:\n    a()\nexcept F:\n    c()",
    ),
    (never(), "if a and b:  # guard: x\n    if c:\n        d()", "if False:\n    if c:\n        d()"),
    (never(), "f({1: a if b else c})  # guard: x", "f({1: a if False else c})"),
    (never(), "f([a for a in b if c])  # guard: x", "f([a for a in b if False])"),
    (always(), "if a:\n    b()\nelif c:  # guard: x\n    d()", "if a:\n    b()\nelif True:\n    d()"),
    (drop_clause(-1), "if a and (b or c):  # guard: x\n    pass", "if a:\n    pass"),
    (drop_clause(1), "if a and b and c:  # guard: x\n    pass", "if a and c:\n    pass"),
    (then_value(), "f(a if b else c)  # guard: x", "f(a)"),
    (else_value(), "f(a if b else c)  # guard: x", "f(c)"),
    (left_operand(), "return_ = a + [b + c]  # guard: x", "return_ = a"),
    (unwrap("g"), "f(h.g(a, b))  # guard: x", "f(a)"),
    (unwrap("g", 1), "f(g(a, b))  # guard: x", "f(b)"),
    (drop_arguments("f", 1, "c"), "f(a, b, c=1, d=2)  # guard: x", "f(a, d=2)"),
    (set_argument("f", 1, "0"), "f(a, b)  # guard: x", "f(a, 0)"),
    (set_argument("f", "c", "0"), "f(a, c=b)  # guard: x", "f(a, c=0)"),
    (call_gives("g", "None"), "f(g(a))  # guard: x", "f(None)"),
    (returns("True"), "def f():\n    return a  # guard: x", "def f():\n    return True"),
    (drop_context(1), "with a, b as c:  # guard: x\n    d()", "with a:\n    d()"),
    (drop_element(1), "f([a, b, (c, d)])  # guard: x", "f([a, (c, d)])"),
    (drop_element("a.b"), "f([a, (c, a.b)])  # guard: x", "f([a, (c,)])"),
    (drop_element("a", under="'k'"), "f({'k': [a, b], 'l': [a]})  # guard: x", "f({'k': [b], 'l': [a]})"),
    (drop_entry("'k'"), "f({'k': a, **b})  # guard: x", "f({**b})"),
    (
        catch(),
        "try:\n    a()\nexcept E as e:  # guard: x\n    b()",
        "try:\n    a()\nexcept ZeroDivisionError as e:\n    b()",
    ),
    (reraise(), "try:\n    a()\nexcept E:\n    b()  # guard: x", "try:\n    a()\nexcept E:\n    raise"),
    (no_iterations(), "for a in b:  # guard: x\n    c()", "for a in ():\n    c()"),
    (replace("None", of=value), "a = b  # guard: x", "a = None"),
    (replace("old == 0", of=condition, old="left"), "if a < 1:  # guard: x\n    pass", "if a == 0:\n    pass"),
    (replace("f'{old}!'", of=outermost(ast.JoinedStr), old="values.1.value"), "a(f'!{b}')  # guard: x", "a(f'{b}!')"),
    (replace("g(old)", of=call("f"), old=""), "f(1)  # guard: x", "g(f(1))"),
    (
        replace("place = to\nplace.make()", place="value.func.value", to=Parameter(0)),
        "def f(a):\n    b.make()  # guard: x",
        "def f(a):\n    b = a\n    b.make()",
    ),
]


def after(source, operator):
    ((_, line),) = marked_lines(source)
    return mutant(source, line, operator)


@pytest.mark.parametrize(("operator", "source", "expected"), CASES, ids=lambda given: getattr(given, "kind", ""))
def test_an_operator_changes_the_marked_statement(operator, source, expected):
    changed = after(source, operator)
    assert ast.unparse(changed) == ast.unparse(ast.parse(expected))
    compile(changed, "<changed>", "exec")


@pytest.mark.parametrize(("operator", "source", "expected"), CASES, ids=lambda given: getattr(given, "kind", ""))
def test_an_operator_ignores_formatting_and_names_of_variables(operator, source, expected):
    names = new_names(ast.parse(source)) if not operator.names else {}
    changed = after(formatted_anew(source, names), operator)
    assert ast.unparse(changed) == ast.unparse(renamed(ast.parse(expected), names))


WRITTEN = """
def f(target, seen):
    for item in seen:
        if check(item, strict=True) and item not in target:  # guard: x
            target.append(item)
"""


@pytest.mark.parametrize(
    "written",
    [
        WRITTEN,
        WRITTEN.replace("item", "one"),
        WRITTEN.replace("        if", "        # guard: x\n        # and why\n        if").replace(
            ":  # guard: x", ":"
        ),
        WRITTEN.replace("(item, strict=True)", "(\n            item,\n            strict=True,\n        )"),
        WRITTEN.replace("if check", "if (\n            check").replace("target:", "target\n        ):"),
        WRITTEN.replace("  # guard: x", "")
        .replace("if check", "if (  # guard: x\n check")
        .replace("target:", "target):"),
    ],
    ids=["as it is", "renamed", "marked above", "call wrapped", "condition wrapped", "marked inside"],
)
def test_the_mutant_of_a_condition_does_not_depend_on_its_layout(written):
    changed = ast.unparse(after(written, drop_clause(-1))).replace("one", "item")
    assert (
        changed
        == "def f(target, seen):\n    for item in seen:\n        if check(item, strict=True):\n            target.append(item)"
    )


@pytest.mark.parametrize(
    ("operator", "source"),
    [
        (never(), "f(a)  # guard: x"),
        (never(), "f(a if b else c, d if e else g)  # guard: x"),
        (unwrap("g"), "if f(a):  # guard: x\n    g(b)"),
        (drop_arguments("f", "c"), "f(a)  # guard: x"),
        (drop_entry("'k'"), "f({'l': a})  # guard: x"),
        (drop_element("a"), "f([a], [a])  # guard: x"),
        (replace("a", a=Parameter(0)), "f()  # guard: x"),
    ],
)
def test_a_statement_without_exactly_one_target_is_an_error(operator, source):
    with pytest.raises(TargetError):
        after(source, operator)


def test_several_guards_can_mark_one_statement():
    assert list(marked_lines("a()\nb()  # why  # guard: one, another\n")) == [("one", 2), ("another", 2)]


@pytest.mark.parametrize("comment", ["# guard: Not this", "# guard:", "# guard: one,another", "# guard: one two"])
def test_a_comment_that_is_almost_a_marker_is_an_error(comment):
    with pytest.raises(ValueError, match="is not of the form"):
        list(marked_lines(f"a()  {comment}\n"))


def test_a_marker_that_marks_nothing_is_an_error():
    with pytest.raises(ValueError, match="no statement covers"):
        after("a()\n# guard: x\n", remove())


def test_markers_are_collected_from_all_product_files(tmp_path):
    for file in ("handler/a.py", "flows/b/c.py", "tests/d.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"a()\nb()  # guard: {file[-4]}-guard\n")
    assert markers(tmp_path) == [Marker("c-guard", "flows/b/c.py", 2), Marker("a-guard", "handler/a.py", 2)]


@pytest.mark.parametrize(
    ("test", "red"),
    [
        ("def test_it():\n    assert protected()", True),
        ("def test_it():\n    pass", False),
        ("import os\ndef test_it():\n    os._exit(1)", False),
        ("import no_such_module\ndef test_it():\n    pass", False),
        ("", False),
    ],
    ids=["fails", "passes", "is ended", "is not imported", "is missing"],
)
def test_only_a_failed_test_turns_a_guard_red(tmp_path, test, red):
    product = tmp_path / "handler" / "protection.py"
    product.parent.mkdir()
    (product.parent / "__init__.py").touch()
    product.write_text(source := "def protected():\n    return True  # guard: x\n")
    (tmp_path / "test_it.py").write_text(f"from handler.protection import protected\n{test}\n")
    guard = Guard("x", "", "", returns("False"), "test_it.py::test_it")
    assert mutate.turns_red(guard, Marker("x", "handler/protection.py", 2), tmp_path)[0] == red
    assert product.read_text() == source
