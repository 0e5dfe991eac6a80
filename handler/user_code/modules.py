"""References to the user's own functions, `module:function`, and their modules: parsed without running them.

A module is looked up in the specification's folder; elsewhere only if `FROSTLINE_ALLOWED_MODULES` names it
(module names, separated by commas; each also allows its submodules).
"""

import ast
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import quote, suggestion

RESERVED = frozenset({"flows", "tasks", "handler"})
REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_reference(value: Any) -> bool:
    """Return whether a value has the form `module:function`."""
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def find_module(module: str, folder: Path) -> Path | None:
    """Return the file of a module without importing it; None if it is neither in the folder nor allowed elsewhere.

    Args:
        module: the dotted name of the module.
        folder: the specification's folder.
    """
    parts = module.split(".")
    if parts[0] in RESERVED:
        return None
    base = folder.joinpath(*parts)
    with contextlib.suppress(OSError):  # no file system accepts such a name
        for file in (base.with_name(base.name + ".py"), base / "__init__.py"):
            if file.is_file():
                return file
    return _locate_elsewhere(parts) if is_allowed_module(module) else None


def is_allowed_module(module: str) -> bool:
    """Return whether `FROSTLINE_ALLOWED_MODULES` allows a module from outside the specification's folder."""
    allowed = [name.strip() for name in os.environ.get("FROSTLINE_ALLOWED_MODULES", "").split(",")]
    return any(name and (module == name or module.startswith(name + ".")) for name in allowed)


def _locate_elsewhere(parts: list[str]) -> Path | None:
    search: list[str] | None = None
    spec = None
    for i in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: i + 1]), search)
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or [])
    file = Path(spec.origin) if spec and spec.origin else None
    return file if file is not None and file.suffix == ".py" else None


def parse_module(file: Path, path: str = "") -> ast.Module:
    """Return the syntax tree of a module.

    Args:
        file: the module's file.
        path: the field that names the module, for messages.

    Raises:
        SpecError: the file can't be read or isn't Python; names the line.
    """
    try:
        return ast.parse(file.read_bytes(), filename=str(file))
    except OSError as error:
        raise SpecError(path, f"{file} can't be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise SpecError(
            path, f"{file.name}{f', line {line}' if line else ''}: {getattr(error, 'msg', error)}"
        ) from error


def check_reference(reference: str, folder: Path, path: str = "") -> Path:
    """Return the file that defines `module:function`, found without running it.

    Args:
        reference: `module:function`.
        folder: the specification's folder.
        path: the field that holds the reference, for messages.

    Raises:
        SpecError: the module does not exist, isn't Python, or does not define the name; the message suggests
            alternatives.
    """
    if not is_reference(reference):
        raise SpecError(path, f"must have the form module:function, not {quote(reference)}")
    module, function = reference.split(":")
    file = find_module(module, folder)
    if file is None:
        if module.split(".")[0] in RESERVED:
            raise SpecError(path, f"{module!r} is Frostline's own; give your module another name")
        modules = sorted(entry.stem for entry in folder.glob("*.py"))
        raise SpecError(
            path, f"there is no module {module!r} in {folder}; {suggestion(module, modules, 'modules there')}"
        )
    if not is_allowed_module(module) and module.split(".")[0] in sys.stdlib_module_names:
        raise SpecError(path, f"{file.name} has the name of a module of Python's own library; give it another name")
    names, stars = bindings(parse_module(file, path), [])
    if not stars and function not in names:
        raise SpecError(path, f"{file.name} defines no {function!r}; {suggestion(function, names, 'it defines')}")
    return file


def check_call(reference: str, folder: Path, arguments: Mapping[str, Any], path: str) -> None:
    """Raise `SpecError` for keyword arguments that do not fit a function which the module itself defines.

    A function with decorators, or a name that is defined more than once or imported, is not checked.

    Args:
        reference: `module:function`.
        folder: the specification's folder.
        arguments: the keyword arguments.
        path: the field that holds the arguments, for messages.
    """
    name = reference.split(":")[1]
    tree = parse_module(check_reference(reference, folder, path))
    definitions = [node for node in tree.body if getattr(node, "name", "") == name]
    if len(definitions) != 1 or not isinstance(definitions[0], ast.FunctionDef) or definitions[0].decorator_list:
        return
    takes = definitions[0].args
    positional = [argument.arg for argument in (*takes.posonlyargs, *takes.args)]
    known = [*positional, *(argument.arg for argument in takes.kwonlyargs)]
    keyword_only = zip(takes.kwonlyargs, takes.kw_defaults, strict=True)
    needed = positional[: len(positional) - len(takes.defaults)]
    needed += [argument.arg for argument, default in keyword_only if default is None]
    for argument in arguments:
        if argument not in known and takes.kwarg is None:
            raise SpecError(
                f"{path}.{argument}", f"unknown argument of {reference}; {suggestion(argument, known, 'it takes')}"
            )
    missing = [argument for argument in needed if argument not in arguments]
    if missing:
        raise SpecError(path, f"{reference} needs {' and '.join(missing)}; give it here")


def bindings(tree: ast.Module, package: list[str]) -> tuple[dict[str, list[str | None]], list[str]]:
    """Return the origins of a module's names, in any of its branches, and the modules from which it imports all names.

    The origin is None for a value that the module creates itself, else the dotted name of the imported object.
    """
    bound: dict[str, list[str | None]] = {}
    stars: list[str] = []
    for node in top_level_statements(tree.body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                bound.setdefault(node.name, []).append(None)
            case ast.Import():
                for alias in node.names:
                    top = alias.name.split(".")[0]  # `import a.b` binds the module `a`
                    bound.setdefault(alias.asname or top, []).append(alias.name if alias.asname else top)
            case ast.ImportFrom():
                source = ".".join(import_source(node, package))
                for alias in node.names:
                    if alias.name == "*":
                        stars.append(source)
                    else:
                        bound.setdefault(alias.asname or alias.name, []).append(f"{source}.{alias.name}")
            case ast.Assign():
                for target in node.targets:
                    _bind(target, node.value, bound)
            case ast.AnnAssign():
                _bind(node.target, node.value, bound)
    return bound, stars


def _bind(target: ast.expr, value: ast.expr | None, bound: dict[str, list[str | None]]) -> None:
    """Add the origins of an assignment's value to the names of its target."""
    sequence = ast.Tuple | ast.List
    if isinstance(target, sequence) and isinstance(value, sequence):
        parts = (*target.elts, *value.elts)
        if not any(isinstance(part, ast.Starred) for part in parts):
            for left, right in zip(target.elts, value.elts, strict=False):
                _bind(left, right, bound)
            return
    for part in ast.walk(target):
        if isinstance(part, ast.Name):
            bound.setdefault(part.id, []).extend(_aliases(value, bound))


def _aliases(value: ast.expr | None, bound: dict[str, list[str | None]]) -> list[str | None]:
    """Return the dotted names of which a value is an alias, such as `np.load`; None for a value made by the module.

    For a value with alternatives, such as a tuple or `a if b else c`, return those of all alternatives.
    """
    several = {ast.Tuple: "elts", ast.List: "elts", ast.BoolOp: "values"}.get(type(value))
    parts = getattr(value, several) if several else [value.body, value.orelse] if isinstance(value, ast.IfExp) else []
    if parts:
        return [alias for part in parts for alias in _aliases(part, bound)]
    if isinstance(value, ast.NamedExpr | ast.Starred):
        return _aliases(value.value, bound)
    attributes: list[str] = []
    while isinstance(value, ast.Attribute):
        attributes.insert(0, value.attr)
        value = value.value
    if not isinstance(value, ast.Name):
        return [None]
    origins = bound.get(value.id, [f"builtins.{value.id}"])
    return [None if origin is None else ".".join([origin, *attributes]) for origin in origins]


def import_source(node: ast.ImportFrom, package: list[str]) -> list[str]:
    """Return the parts of the name of the module from which a statement of a module in `package` imports."""
    base = package[: len(package) - node.level + 1] if node.level else []
    return [*base, *(node.module.split(".") if node.module else [])]


def top_level_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, in order, including those in branches and blocks."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                yield from top_level_statements(getattr(node, part, []))
            for caught in getattr(node, "handlers", []):
                yield from top_level_statements(caught.body)
