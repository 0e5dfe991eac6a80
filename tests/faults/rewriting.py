"""Other ways to write a module of the product: formatted anew, with its markers kept, and with other local names."""

from __future__ import annotations

import ast
import builtins

from tests.faults.markers import marked_lines, site_at

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def formatted_anew(source: str, names: dict[str, str] | None = None) -> str:
    """Return a module without its formatting and comments but with its markers, each on a line of its own.

    Args:
        source: the module.
        names: new names for local variables; see `new_names`.
    """
    tree = ast.parse(source)
    marks: dict[ast.AST, list[str]] = {}
    for name, line in marked_lines(source):
        marks.setdefault(site_at(tree, line).statement, []).append(name)
    for node in list(ast.walk(tree)):
        _insert_marks(node, marks)
    return ast.unparse(renamed(tree, names or {}))


def renamed(tree: ast.Module, names: dict[str, str]) -> ast.Module:
    """Return a tree with other names of variables, parameters and caught exceptions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            node.name = names.get(node.name, node.name)
        elif isinstance(node, ast.Nonlocal):
            node.names = [names.get(name, name) for name in node.names]
    return tree


def new_names(tree: ast.Module) -> dict[str, str]:
    """Return a new name for each variable that only functions of a module bind, their parameters included."""
    local, kept = set(), {"self", "cls", *dir(builtins)}
    inside = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, SCOPES)
        for node in ast.walk(scope)
        if node is not scope
    }
    for node in ast.walk(tree):
        bound = local if id(node) in inside else kept
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kept.add(node.name)
        elif isinstance(node, ast.alias):
            kept.add((node.asname or node.name).partition(".")[0])
    return {name: f"{name}_renamed" for name in sorted(local - kept)}


def _insert_marks(node: ast.AST, marks: dict[ast.AST, list[str]]) -> None:
    """Put the marks of a node's statements in front of them; `ast.unparse` writes the name of a variable as it is."""
    before: list[ast.stmt] = []  # of an `except` or `elif`: the block in front of it
    for field in ("body", "handlers", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        for child in list(block):
            mark = ast.Expr(ast.Name(f"# guard: {', '.join(marks[child])}")) if child in marks else None
            if mark is not None and (
                field == "handlers" or (field == "orelse" and block == [child] and isinstance(child, ast.If))
            ):
                before.append(mark)
            elif mark is not None:
                block.insert(block.index(child), mark)
            if field == "handlers":
                before = child.body
        before = block if field != "handlers" else before
