"""The user's own functions, `module:function`: found without running them, imported only from allowed locations.

A module is looked up in the specification's folder; elsewhere only if `FROSTLINE_ALLOWED_MODULES` names it
(module names, separated by commas; each also allows its submodules).
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import shown, suggestion
from handler.user_code.boundary import UserCode
from handler.user_code.random_seeds import seed_for
from handler.user_code.reference import is_reference

OWN = frozenset({"flows", "tasks", "handler"})
_loaded: dict[
    str, tuple[Path, tuple[int, int]]
] = {}  # the user's modules in sys.modules: name -> file, its size and modification time


def locate(module: str, folder: Path) -> Path | None:
    """Return the file of a module without importing it; None if it is neither in the folder nor allowed elsewhere.

    Args:
        module: the dotted name of the module.
        folder: the specification's folder.
    """
    parts = module.split(".")
    if parts[0] in OWN:
        return None
    base = folder.joinpath(*parts)
    with contextlib.suppress(OSError):  # no file system accepts such a name
        for file in (base.with_name(base.name + ".py"), base / "__init__.py"):
            if file.is_file():
                return file
    return _locate_elsewhere(parts) if allowed_elsewhere(module) else None


def allowed_elsewhere(module: str) -> bool:
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


def parse(file: Path, path: str = "") -> ast.Module:
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
        raise SpecError(path, f"must have the form module:function, not {shown(reference)}")
    module, function = reference.split(":")
    file = locate(module, folder)
    if file is None:
        if module.split(".")[0] in OWN:
            raise SpecError(path, f"{module!r} is Frostline's own; give your module another name")
        there = sorted(found.stem for found in folder.glob("*.py"))
        raise SpecError(
            path, f"there is no module {module!r} in {folder}; {suggestion(module, there, 'modules there')}"
        )
    if not allowed_elsewhere(module) and module.split(".")[0] in sys.stdlib_module_names:
        raise SpecError(path, f"{file.name} has the name of a module of Python's own library; give it another name")
    names, complete = defined(parse(file, path))
    if complete and function not in names:
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

    Raises:
        SpecError: names the argument that is unknown or missing, and the arguments of the function.
    """
    name = reference.split(":")[1]
    found = [node for node in parse(check_reference(reference, folder, path)).body if getattr(node, "name", "") == name]
    if len(found) != 1 or not isinstance(found[0], ast.FunctionDef) or found[0].decorator_list:
        return
    takes = found[0].args
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
        raise SpecError(path, f"{reference} can't do without {' and '.join(missing)}; give it here")


def defined(tree: ast.Module) -> tuple[list[str], bool]:
    """Return the names that a module defines, and whether the list is complete (False after `from x import *`)."""
    names: list[str] = []
    complete = True
    for node in top_level(tree.body):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.append(node.name)
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names += [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
            case ast.Import() | ast.ImportFrom():
                complete = complete and all(alias.name != "*" for alias in node.names)
                names += [alias.asname or alias.name.split(".")[0] for alias in node.names if alias.name != "*"]
    return list(dict.fromkeys(names)), complete


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, in order, including those in branches and blocks."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                yield from top_level(getattr(node, part, []))
            for caught in getattr(node, "handlers", []):
                yield from top_level(caught.body)


def resolve_function(reference: str, folder: Path, path: str = "") -> Any:
    """Import and return the object that `module:function` names.

    Args:
        reference: `module:function`; a class or any other callable is accepted too.
        folder: the specification's folder.
        path: the field that holds the reference, for messages.

    Returns:
        The function or class.

    Raises:
        SpecError: it does not exist or is not callable.
        UserCodeError: its module fails on import.
    """
    check_reference(reference, folder, path)
    module, function = reference.split(":")
    try:
        # A module is imported once per process, for all trainings in it, so its seed depends on its name only.
        with UserCode(folder, f"{path}: importing {module!r}".removeprefix(": "), seed=seed_for(0, module)):
            found = getattr(import_module(module, folder), function, None)
    except SpecError as error:
        raise SpecError(path, error.message) from error
    if not callable(found):
        raise SpecError(path, f"{reference!r} is {shown(found)}, not a function or a class")
    return found


def import_module(module: str, folder: Path) -> ModuleType:
    """Import a module under its own name, never the older version of a changed file or a module of another folder.

    Args:
        module: the dotted name of the module.
        folder: the specification's folder.

    Raises:
        SpecError: another module is loaded under this name, Python would import another file, or the module sets
            Keras's global types.
    """
    file = locate(module, folder)
    if file is None or not file.is_relative_to(folder):
        return importlib.import_module(module)
    from handler.user_code.source_digest import own_imports

    with _from_folder(folder), _settings_kept(file):  # guard: keras-settings-on-import
        present = sys.modules.get(module)
        if present is not None and not _same(present, file):
            raise SpecError(
                "",
                f"{file.name} has the name of a module that is already loaded from "
                f"{getattr(present, '__file__', None) or 'Python itself'}; give it another name",
            )
        if present is None and (other := _imported_instead(module, file)) is not None:
            raise SpecError("", f"{file} isn't what Python imports as {module!r}, {other} is; give it another name")
        found = importlib.import_module(module)
        # Imports within functions run later, when the folder is no longer on sys.path: load these modules now.
        for late in own_imports(module, folder):
            with contextlib.suppress(Exception, SystemExit):  # it fails again where the user's code imports it
                importlib.import_module(late)
        return found


def _imported_instead(module: str, file: Path) -> str | None:
    """Return the file that Python would import instead of a module's file, or None if it would import the file.

    Such a file is compiled code or a package in the same folder, or a module of another folder.
    """
    search: list[str] | None = None
    origin: str | None = None
    parts = module.split(".")
    for i in range(len(parts)):
        name = ".".join(parts[: i + 1])
        loaded = sys.modules.get(name)
        found = PathFinder.find_spec(name, search) if loaded is None else loaded.__spec__
        if found is None:
            return f"nothing in {search}"
        origin, search = found.origin, list(found.submodule_search_locations or [])
    return None if origin is not None and Path(origin).resolve() == file.resolve() else origin or str(search)


@contextmanager
def _from_folder(folder: Path) -> Iterator[None]:
    """Put `folder` first on sys.path; unload modules of other folders and older versions of changed files."""
    for name, (file, stamp) in list(_loaded.items()):
        if not file.is_relative_to(folder) or _stamp(file) != stamp:
            # Modules that imported the older version must be imported anew too, so unload its whole folder.
            for other in list(_loaded):
                if _loaded[other][0].is_relative_to(file.parent) or other == name:
                    del _loaded[other]
                    sys.modules.pop(other, None)
    before, writes = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # leave no files in the user's folder, and read no stale bytecode later
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and locate(name, folder) == Path(origin) and Path(origin).is_relative_to(folder):
                _loaded[name] = Path(origin), _stamp(Path(origin))


@contextmanager
def _settings_kept(file: Path) -> Iterator[None]:
    """Raise `SpecError` for a module that sets Keras's global dtypes when it is imported, and unload it.

    A module is imported once per process, and a dtype policy holds for one thread until the next network is built. The
    same specification would therefore give one network in this process and another in the next.
    """
    from keras import config
    from keras.src.backend.common.global_state import get_global_attribute, set_global_attribute

    floats, policy, there = config.floatx(), get_global_attribute("dtype_policy"), set(sys.modules)
    yield
    now = config.floatx(), config.dtype_policy().name
    if now == (floats, policy.name if policy else floats):
        return
    config.set_floatx(floats)
    set_global_attribute("dtype_policy", policy)
    for name in set(sys.modules) - there:
        origin = getattr(sys.modules[name], "__file__", None)
        if origin is not None and Path(origin).is_relative_to(file.parent):
            del sys.modules[name]
    what = f"float type to {now[0]!r}" if now[0] != floats else f"dtype policy to {now[1]!r}"
    raise SpecError(
        "",
        f"{file.name} sets Keras's global {what} when it is imported, which doesn't hold for every network built from "
        "it; set a policy inside the function that builds the network, or give its layers a dtype",
    )


def _same(module: ModuleType, file: Path) -> bool:
    found = getattr(module, "__file__", None)
    return found is not None and Path(found).resolve() == file.resolve()


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns
