"""The measures of the architecture: floors, circles, files, functions and tests; computed from the syntax trees.

    python -m tests.architecture            prints the measures; exits with 1 if one of them is above its limit
    python -m tests.architecture --floors   prints the floor of each room too

Every import of one module of the project by another counts, also one within a function or under `TYPE_CHECKING`, since
a reader has to know both modules. `from package import name` is an import of the module `package.name` if there is
one, else of the package's `__init__.py`. A reference by a dotted string (`_PUBLIC` in an `__init__.py`) is not an
import: it is how a package offers the names of its modules without importing them.

*Rooms.* A package is a room. `handler` itself is a collection of rooms: each module at its root is a room of its own.
The modules of `flows` and `tasks` form one room each, and so does each package in them.

*Floors.* A room that imports no other room is on floor 1; any other room is one floor above the highest room that it
imports. The number of floors is the length of the longest chain of rooms. Rooms of a circle share a floor.

*Tests.* The tests of `room/module.py` are in `tests/room/test_module.py`, or in several files of the folder
`tests/room/module/`. Tests of more than one module are in a folder named after their theme (`THEMES`).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("handler", "tasks", "flows", "benchmarks")
COLLECTION = "handler"  # the package whose root modules are rooms
# See docs/decisions/0061-rooms-of-the-handler.md.
# See docs/decisions/0057-one-class-of-file-locks.md.
LIMITS = {
    "floors": 13,
    "circles between rooms": 0,
    "circles between files": 0,
    "files at the root of handler": 8,
    "files over 400 lines": 0,
    "functions over 60 lines": 0,
    "functions with more than 12 branches": 0,
    "private names of Keras and TensorFlow outside handler/backend": 0,
    "test files that mirror no module and lie in no theme": 0,
}
THEMES = {
    "exactness": "trainings that are compared bit by bit with Keras's own, or with uninterrupted ones",
    "faults": "kills, failures and damage, of files, processes and servers",
    "interruption": "requests to stop, and the end of the process",
    "operation": "deployments, and whole days of operation as docs/operations.md describes it",
    "refusals": "invalid input, which is refused before it has an effect",
    "security": "attacks by names, files, parameters and web pages; see docs/security.md",
    "sharing": "several processes or machines that use one store",
}
PRIVATE_MODULES = ("keras.src", "tensorflow.python")
LONGEST_FILE, LONGEST_FUNCTION, MOST_BRANCHES = 400, 60, 12


@dataclass
class Project:
    """The modules of the product and their imports of one another."""

    root: Path = ROOT

    @cached_property
    def files(self) -> dict[str, Path]:
        """Dotted name of each module -> its file."""
        files = {}
        for package in PACKAGES:
            for file in sorted((self.root / package).rglob("*.py")):
                parts = file.relative_to(self.root).with_suffix("").parts
                files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
        return files

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The syntax tree of each module."""
        return {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in self.files.items()}

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Each module -> the modules of the project that it imports."""
        return {name: set(self._imported(name, tree)) - {name} for name, tree in self.trees.items()}

    def _imported(self, module: str, tree: ast.Module) -> Iterator[str]:
        is_package = self.files[module].name == "__init__.py"
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.files)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = module.split(".")
                    parts = parts[: len(parts) - node.level + is_package]
                    base = ".".join([*parts, base]) if base else ".".join(parts)
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    if inner in self.files:
                        yield inner
                    elif base in self.files:
                        yield base

    def room(self, module: str) -> str:
        """Return the room of a module."""
        is_package = self.files[module].name == "__init__.py"
        package = module if is_package else module.rpartition(".")[0]
        return module if package == COLLECTION else package

    @cached_property
    def rooms(self) -> dict[str, set[str]]:
        """Each room -> the rooms that it imports."""
        rooms: dict[str, set[str]] = {}
        for module, imported in self.imports.items():
            room = self.room(module)
            rooms.setdefault(room, set()).update({self.room(other) for other in imported} - {room})
        return rooms


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach one another (the strongly connected components of two or more nodes)."""
    return [sorted(group) for group in _components(graph) if len(group) > 1]


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """Return the floor of each node, from 1."""
    heights: dict[str, int] = {}
    for group in _components(graph):  # what a group reaches comes before it
        below = {other for node in group for other in graph[node]} - set(group)
        for node in group:
            heights[node] = 1 + max((heights[other] for other in below), default=0)
    return heights


def _components(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components (Tarjan), each after those that it reaches."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            at = stack.index(node)
            circles.append(stack[at:])
            del stack[at:]

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return circles


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a module, methods and inner functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function without its docstring."""
    body = function.body
    documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    return (function.end_lineno or 0) - function.lineno + 1 - (_height(body[0]) if documented else 0)


def branches(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of branches of a function: its `if`, `elif` and `else`, loops, `except` and `case` clauses."""
    return _branches(function.body)


def _branches(body: Iterable[ast.stmt]) -> int:
    count = 0
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.If):
            is_elif = len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)
            count += 1 + (bool(node.orelse) and not is_elif)
        elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
            count += 1 + bool(node.orelse)
        elif isinstance(node, ast.Try):
            count += len(node.handlers) + bool(node.orelse) + bool(node.finalbody)
        elif isinstance(node, ast.Match):
            count += len(node.cases)
            count += sum(_branches(case.body) for case in node.cases)
        for part in ("body", "orelse", "finalbody"):
            count += _branches(getattr(node, part, []))
        count += sum(_branches(handler.body) for handler in getattr(node, "handlers", []))
    return count


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def private_names(project: Project) -> Iterator[str]:
    """Yield the uses of private names of Keras and TensorFlow outside `handler/backend`.

    A private name is one of their private modules, or an attribute that begins with `_` and is defined nowhere in the
    handler. Those of an object's own class (`self._x`) do not count.
    """
    trees = {
        name: tree
        for name, tree in project.trees.items()
        if name.startswith("handler.") and not name.startswith("handler.backend")
    }
    own = {defined for tree in trees.values() for node in ast.walk(tree) for defined in _defined(node)}
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PRIVATE_MODULES):
                yield f"{name}:{node.lineno} {node.module}"
            elif isinstance(node, ast.Attribute) and _is_foreign_private(node, own):
                yield f"{name}:{node.lineno} {ast.unparse(node)}"


def _is_foreign_private(node: ast.Attribute, own: set[str]) -> bool:
    if ast.unparse(node) in PRIVATE_MODULES:
        return True
    is_private = re.match("_[a-z]", node.attr) is not None and node.attr not in own
    return is_private and ast.unparse(node.value) not in ("self", "cls")


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
        yield node.attr


def tests_without_place(root: Path) -> Iterator[str]:
    """Yield the test files that are neither named after a module of the project nor in the folder of a theme."""
    for file in sorted((root / "tests").rglob("test_*.py")):
        folder = file.parent.relative_to(root / "tests")
        module = root / folder / file.stem.removeprefix("test_")
        is_mirror = module.is_dir() or module.with_suffix(".py").is_file() or (root / f"{folder}.py").is_file()
        if not is_mirror and THEMES.keys().isdisjoint(folder.parts):
            yield str(file.relative_to(root))


def measure(project: Project) -> dict[str, tuple[int, list[str]]]:
    """Return each measure: its value, and the rooms, files or functions that it counts."""
    by_floor = floors(project.rooms)
    root = [name for name, file in project.files.items() if file.parent == project.root / COLLECTION]
    named = [
        (f"{name}:{function.lineno} {function.name}", function)
        for name, tree in project.trees.items()
        for function in functions(tree)
    ]
    measures = {
        "floors": [room for room, floor in by_floor.items() if floor == max(by_floor.values())],
        "circles between rooms": [" <-> ".join(circle) for circle in circles(project.rooms)],
        "circles between files": [" <-> ".join(circle) for circle in circles(project.imports)],
        "files at the root of handler": root,
        "files over 400 lines": [
            name for name, file in project.files.items() if len(file.read_text().splitlines()) > LONGEST_FILE
        ],
        "functions over 60 lines": [where for where, function in named if lines(function) > LONGEST_FUNCTION],
        "functions with more than 12 branches": [
            where for where, function in named if branches(function) > MOST_BRANCHES
        ],
        "private names of Keras and TensorFlow outside handler/backend": list(private_names(project)),
        "test files that mirror no module and lie in no theme": list(tests_without_place(project.root)),
    }
    return {name: (max(by_floor.values()) if name == "floors" else len(items), items) for name, items in measures.items()}


def main(arguments: list[str]) -> int:
    """Print the measures and return the exit status."""
    project = Project()
    above = False
    for name, (value, items) in measure(project).items():
        too_high = value > LIMITS[name]
        above = above or too_high
        print(f"{value:4} {name} (at most {LIMITS[name]})" + ("".join(f"\n       {item}" for item in items) * too_high))
    if "--floors" in arguments:
        for room, floor in sorted(floors(project.rooms).items(), key=lambda item: (item[1], item[0])):
            print(f"{floor:4} {room} <- {' '.join(sorted(project.rooms[room]))}")
    return int(above)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
