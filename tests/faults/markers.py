"""The markers of guards in the product: `# guard: name` at the end of a line of the guarded statement, or directly above it.

A line above an `except` or an `elif` marks that handler or condition. Several guards of one statement are separated by
commas: `# guard: one, another`.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PRODUCT = ("flows", "handler", "tasks")
MARKER = re.compile(r"# guard: ([a-z0-9]+(?:-[a-z0-9]+)*(?:, [a-z0-9]+(?:-[a-z0-9]+)*)*)$")
_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


class Marker(NamedTuple):
    """A marker in a file of the product.

    Attributes:
        name: the guard's name.
        file: the file, relative to the project.
        line: a line of the marked statement, from 1.
    """

    name: str
    file: str
    line: int


class Site(NamedTuple):
    """A marked place in a syntax tree.

    Attributes:
        statement: the innermost statement or exception handler that covers the marked line.
        function: the innermost function around it; None at the top level of a module.
    """

    statement: ast.AST
    function: ast.FunctionDef | ast.AsyncFunctionDef | None


def markers(root: Path) -> list[Marker]:
    """Return all markers of the product below the project's folder, by file and line."""
    markers = []
    for file in sorted(file for part in PRODUCT for file in (root / part).rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        if "guard:" in source:
            name_of_file = file.relative_to(root).as_posix()
            markers += [Marker(name, name_of_file, line) for name, line in marked_lines(source, name_of_file)]
    return markers


def marked_lines(source: str, file: str = "<source>") -> Iterator[tuple[str, int]]:
    """Yield the name of each marker of a module with a line of the statement that it marks.

    Raises:
        ValueError: a comment looks like a marker and is none, or marks no statement.
    """
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for i, token in enumerate(tokens):
        if token.type != tokenize.COMMENT or "guard:" not in token.string:
            continue
        line, column = token.start
        names = MARKER.search(token.string)
        if names is None:
            raise ValueError(f"{file}:{line}: {token.string!r} is not of the form '# guard: name'")
        if not token.line[:column].strip():
            line = next((after.start[0] for after in tokens[i:] if after.type not in _LAYOUT), 0)
        yield from ((name, line) for name in names[1].split(", "))


def site_at(tree: ast.Module, line: int) -> Site:
    """Return the marked place at a line of code.

    Raises:
        ValueError: no statement covers the line.
    """
    statement, function, node = None, None, next(_covering(tree, line), None)
    while node is not None:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            function = statement
        statement, node = node, next(_covering(node, line), None)
    if statement is None:
        raise ValueError(f"no statement covers line {line}")
    return Site(statement, function)


def _covering(node: ast.AST, line: int) -> Iterator[ast.stmt | ast.excepthandler]:
    """Yield the statements and exception handlers right below a node that cover a line."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler):
            if child.lineno <= line <= (child.end_lineno or 0):
                yield child
        elif isinstance(child, ast.match_case):
            yield from _covering(child, line)
