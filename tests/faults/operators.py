"""The operators that take a protection out of a marked statement, as changes of the syntax tree.

An operator looks only at the marked statement itself, not at statements nested in it. It addresses its target by the
names of functions, attributes and keywords, by literals and by positions, never by the names of local variables.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.markers import Site, site_at

Finder = Callable[[Any], ast.AST]
Change = Callable[[Any, Site], ast.AST | list[ast.stmt] | None]
NESTED = (ast.stmt, ast.excepthandler)


@dataclass(frozen=True)
class Operator:
    """A change of a marked statement.

    Attributes:
        kind: the operator's name.
        find: returns the node that is changed, given the marked statement.
        change: returns the node's replacement, given the node and its site; None removes it.
        names: the names that the replacement uses without taking them from the original.
    """

    kind: str
    find: Finder
    change: Change
    names: frozenset[str] = frozenset()


class TargetError(ValueError):
    """A marked statement has no target for its operator, or more than one."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the function around the marked statement, by position."""

    position: int


def mutant(source: str, line: int, operator: Operator) -> ast.Module:
    """Return the tree of a module whose statement at a line is changed by an operator.

    Raises:
        TargetError: the statement has no target for the operator, or more than one.
    """
    tree = ast.parse(source)
    site = site_at(tree, line)
    target = operator.find(site.statement)
    return _Replacing(target, operator.change(target, site)).visit(tree)


# What an operator finds in a statement.


def statement(marked: ast.AST) -> ast.AST:
    """Return the marked statement itself."""
    return marked


def value(marked: Any) -> ast.AST:
    """Return the value of an assignment, a `return` or an expression."""
    return marked.value


def condition(marked: ast.AST) -> ast.AST:
    """Return the condition of an `if`, or the only one of the conditional expressions and comprehensions."""
    if isinstance(marked, ast.If | ast.While):
        return marked.test
    tests = [node.test for node in _own(marked) if isinstance(node, ast.IfExp)]
    tests += [test for node in _own(marked) if isinstance(node, ast.comprehension) for test in node.ifs]
    return _only(tests, "a condition")


def outermost(*kinds: type[ast.AST]) -> Finder:
    """Return a finder of the only node of some kinds that is not inside another of these kinds."""

    def find(marked: ast.AST) -> ast.AST:
        nodes: list[ast.AST] = []
        left = [marked]
        while left:
            for child in _children(left.pop()):
                (nodes if isinstance(child, kinds) else left).append(child)
        return _only(nodes, " or ".join(kind.__name__ for kind in kinds))

    return find


def call(name: str) -> Finder:
    """Return a finder of the only call of a function or method."""

    def find(marked: ast.AST) -> ast.AST:
        calls = [node for node in _own(marked) if isinstance(node, ast.Call)]
        return _only([node for node in calls if _last_name(node.func) == name], f"a call of {name}")

    return find


# The operators.


def remove() -> Operator:
    """Remove the statement or the exception handler."""
    return Operator("remove", statement, lambda node, site: None)


def never() -> Operator:
    """Make the condition false."""
    return Operator("never", condition, lambda node, site: ast.Constant(False))


def always() -> Operator:
    """Make the condition true."""
    return Operator("always", condition, lambda node, site: ast.Constant(True))


def drop_clause(position: int) -> Operator:
    """Drop an operand of the outermost `and` or `or`."""

    def change(node: ast.BoolOp, site: Site) -> ast.AST:
        clauses = _without(node.values, position)
        return clauses[0] if len(clauses) == 1 else ast.BoolOp(node.op, clauses)

    return Operator("drop_clause", outermost(ast.BoolOp), change)


def then_value() -> Operator:
    """Replace a conditional expression by its value for a true condition."""
    return Operator("then_value", outermost(ast.IfExp), lambda node, site: node.body)


def else_value() -> Operator:
    """Replace a conditional expression by its value for a false condition."""
    return Operator("else_value", outermost(ast.IfExp), lambda node, site: node.orelse)


def left_operand() -> Operator:
    """Replace the outermost binary operation or comparison by its left operand."""
    return Operator("left_operand", outermost(ast.BinOp, ast.Compare), lambda node, site: node.left)


def unwrap(function: str, position: int = 0) -> Operator:
    """Replace a call by one of its arguments."""
    return Operator("unwrap", call(function), lambda node, site: node.args[position])


def drop_arguments(function: str, *which: int | str) -> Operator:
    """Drop arguments of a call, by position or keyword."""

    def change(node: ast.Call, site: Site) -> ast.AST:
        keywords = {keyword.arg for keyword in node.keywords}
        absent = [one for one in which if (one not in keywords if isinstance(one, str) else one >= len(node.args))]
        if absent:
            raise TargetError(f"the call of {function} has no argument {absent}")
        arguments = [argument for i, argument in enumerate(node.args) if i not in which]
        return ast.Call(node.func, arguments, [keyword for keyword in node.keywords if keyword.arg not in which])

    return Operator("drop_arguments", call(function), change)


def set_argument(function: str, which: int | str, given: str, **parts: str | Parameter) -> Operator:
    """Replace an argument of a call, by position or keyword; see `replace` for the parts."""

    def find(marked: ast.AST) -> ast.AST:
        called: Any = call(function)(marked)
        if isinstance(which, int):
            return called.args[which]
        return _only([keyword.value for keyword in called.keywords if keyword.arg == which], f"the keyword {which}")

    return _templated("set_argument", find, given, parts)


def call_gives(function: str, given: str) -> Operator:
    """Replace a call by an expression."""
    return _templated("call_gives", call(function), given, {})


def returns(given: str, **parts: str | Parameter) -> Operator:
    """Replace the value of a `return`; see `replace` for the parts."""
    return _templated("returns", value, given, parts)


def drop_context(position: int) -> Operator:
    """Drop a context manager of a `with`."""

    def change(node: ast.With, site: Site) -> ast.AST:
        return ast.With(_without(node.items, position), node.body)

    return Operator("drop_context", statement, change)


def drop_element(element: int | str, under: str = "") -> Operator:
    """Drop an element of a tuple, list or set, by its position in the outermost one or by its expression.

    Args:
        element: the position or the expression.
        under: the key of a dictionary, as an expression: looks only into its value.
    """
    kinds = (ast.Tuple, ast.List, ast.Set)
    wanted = ast.dump(_expression(element)) if isinstance(element, str) else ""

    def find(marked: ast.AST) -> ast.AST:
        if isinstance(element, int):
            return outermost(*kinds)(marked)
        inside = _entry_of(marked, _expression(under))[1] if under else marked
        nodes = [node for node in (inside, *_own(inside)) if isinstance(node, kinds)]
        return _only([node for node in nodes if wanted in map(ast.dump, node.elts)], f"a collection with {element}")

    def change(node: Any, site: Site) -> ast.AST:
        position = element if isinstance(element, int) else [ast.dump(one) for one in node.elts].index(wanted)
        changed = copy.copy(node)
        changed.elts = _without(node.elts, position)
        return changed

    return Operator("drop_element", find, change)


def drop_entry(key: str) -> Operator:
    """Drop the entry of a dictionary display with a key, given as an expression."""

    def change(node: ast.Dict, site: Site) -> ast.AST:
        position = [key and ast.dump(key) for key in node.keys].index(ast.dump(_expression(key)))
        return ast.Dict(_without(node.keys, position), _without(node.values, position))

    return Operator("drop_entry", lambda marked: _entry_of(marked, _expression(key))[0], change)


def catch(kind: str = "ZeroDivisionError") -> Operator:
    """Let an exception handler catch another kind of exception; the default does not occur in the product."""

    def change(node: ast.ExceptHandler, site: Site) -> ast.AST:
        return ast.ExceptHandler(_expression(kind), node.name, node.body)

    return Operator("catch", statement, change, frozenset({kind}))


def reraise() -> Operator:
    """Replace the statement by a bare `raise`."""
    return Operator("reraise", statement, lambda node, site: ast.Raise())


def no_iterations() -> Operator:
    """Let a `for` iterate over nothing."""
    return Operator("no_iterations", lambda marked: marked.iter, lambda node, site: _expression("()"))


def replace(given: str, of: Finder = statement, **parts: str | Parameter) -> Operator:
    """Replace a node by an expression or by statements.

    Args:
        given: the replacement.
        of: finds the node.
        parts: what names in the replacement stand for: a part of the replaced node, as a path of attributes and
            positions ("value.args.0"; "" is the node itself), or a parameter of the function around it.
    """
    return _templated("replace", of, given, parts)


# Help for the operators.


def _templated(kind: str, find: Finder, given: str, parts: dict[str, str | Parameter]) -> Operator:
    names = {node.id for node in ast.walk(ast.parse(given)) if isinstance(node, ast.Name)}
    bound = {
        node.id for node in ast.walk(ast.parse(given)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }

    def change(node: ast.AST, site: Site) -> ast.AST | list[ast.stmt]:
        filled = _Filling({name: _part(node, site, path) for name, path in parts.items()}).visit(ast.parse(given)).body
        return filled if isinstance(node, ast.stmt) else filled[0].value

    return Operator(kind, find, change, frozenset(names - bound - parts.keys()))


def _part(node: Any, site: Site, path: str | Parameter) -> ast.AST:
    if isinstance(path, Parameter):
        if site.function is None:
            raise TargetError("there is no function around the statement")
        arguments = site.function.args
        return ast.Name([*arguments.posonlyargs, *arguments.args][path.position].arg, ast.Load())
    for step in path.split(".") if path else ():
        node = node[int(step)] if step.isdecimal() else getattr(node, step)
    return node


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _without(items: list[Any], position: int) -> list[Any]:
    kept = list(items)
    del kept[position]
    return kept


def _last_name(function: ast.AST) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _entry_of(marked: ast.AST, key: ast.expr) -> tuple[ast.Dict, ast.expr]:
    """Return the only dictionary display of a statement that has a key, and the key's value."""
    nodes = [
        (node, entry)
        for node in _own(marked)
        if isinstance(node, ast.Dict)
        for known, entry in zip(node.keys, node.values, strict=True)
        if known is not None and ast.dump(known) == ast.dump(key)
    ]
    return _only(nodes, f"an entry {ast.unparse(key)}")


def _only(nodes: list[Any], wanted: str) -> Any:
    if len(nodes) != 1:
        raise TargetError(f"the marked statement has {len(nodes)} times {wanted}")
    return nodes[0]


def _children(node: ast.AST) -> Iterator[ast.AST]:
    return (child for child in ast.iter_child_nodes(node) if not isinstance(child, NESTED))


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below one, without those of nested statements."""
    for child in _children(node):
        yield child
        yield from _own(child)


class _Replacing(ast.NodeTransformer):
    """Replaces one node of a tree; a body that loses its last statement gets a `pass`."""

    def __init__(self, old: Any, new: ast.AST | list[ast.stmt] | None):
        self.old, self.new = old, new
        for node in new if isinstance(new, list) else [new] if new is not None else []:
            ast.fix_missing_locations(ast.copy_location(node, old))

    def visit(self, node: Any) -> Any:
        if node is self.old:
            return self.new
        if hasattr(node, "lineno") and not node.lineno <= self.old.lineno <= node.end_lineno:
            return node
        visited = self.generic_visit(node)
        if isinstance(node, ast.stmt | ast.excepthandler) and not getattr(node, "body", True):
            visited.body = [ast.copy_location(ast.Pass(), self.old)]
        return visited


class _Filling(ast.NodeTransformer):
    """Puts nodes in the place of names."""

    def __init__(self, parts: dict[str, ast.AST]):
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.parts:
            return node
        part = copy.deepcopy(self.parts[node.id])
        if hasattr(part, "ctx"):
            part.ctx = node.ctx
        return part
