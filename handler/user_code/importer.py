"""Import of the user's own functions, `module:function`, from the specification's folder or another allowed place."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from handler.errors import SpecError
from handler.errors.quoting import quote
from handler.user_code.boundary import UserCode
from handler.user_code.modules import check_reference, find_module
from handler.user_code.random_seeds import seed_for
from handler.user_code.source_digest import own_imports


class UserModules:
    """The user's modules in `sys.modules`: name -> file, its size and modification time.

    A process has one such object, because it has one `sys.modules`.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, tuple[Path, tuple[int, int]]] = {}

    def add(self, name: str, file: Path) -> None:
        """Add a module that was just imported."""
        self._loaded[name] = file, _stamp(file)

    def unload_others(self, folder: Path) -> None:
        """Unload the modules of other folders, and the older versions of changed files."""
        for name, (file, stamp) in list(self._loaded.items()):
            if not file.is_relative_to(folder) or _stamp(file) != stamp:
                # Modules that imported the older version must be imported anew too, so unload its whole folder.
                for other in list(self._loaded):
                    if self._loaded[other][0].is_relative_to(file.parent) or other == name:
                        del self._loaded[other]
                        sys.modules.pop(other, None)


_user_modules = UserModules()


def resolve_function(reference: str, folder: Path, path: str = "") -> Any:
    """Import and return the object that `module:function` names.

    Args:
        reference: `module:function`; a class or any other callable is accepted too.
        folder: the specification's folder.
        path: the field that holds the reference, for messages.

    Raises:
        SpecError: it does not exist or is not callable.
        UserCodeError: its module fails on import.
    """
    check_reference(reference, folder, path)
    module, function = reference.split(":")
    try:
        # A module is imported once per process, for all trainings in it, so its seed depends on its name only.
        with UserCode(folder, f"{path}: importing {module!r}".removeprefix(": "), seed=seed_for(0, module)):
            value = getattr(import_module(module, folder), function, None)
    except SpecError as error:
        raise SpecError(path, error.message) from error
    if not callable(value):
        raise SpecError(path, f"{reference!r} is {quote(value)}, not a function or a class")
    return value


def import_module(module: str, folder: Path) -> ModuleType:
    """Import a module under its own name, never the older version of a changed file or a module of another folder.

    Args:
        module: the dotted name of the module.
        folder: the specification's folder.

    Raises:
        SpecError: another module is loaded under this name, Python would import another file, or the module sets
            Keras's global types.
    """
    file = find_module(module, folder)
    if file is None or not file.is_relative_to(folder):
        return importlib.import_module(module)
    with _from_folder(folder), _settings_kept(file):  # guard: keras-settings-on-import
        present = sys.modules.get(module)
        origin = getattr(present, "__file__", None)
        if present is not None and (origin is None or Path(origin).resolve() != file.resolve()):
            raise SpecError(
                "",
                f"{file.name} has the name of a module that is already loaded from "
                f"{origin or 'Python itself'}; give it another name",
            )
        if present is None and (other := _imported_instead(module, file)) is not None:
            raise SpecError("", f"Python imports {other} as {module!r}, not {file}; give it another name")
        imported = importlib.import_module(module)
        # Imports within functions run later, when the folder is no longer on sys.path: load these modules now.
        for late in own_imports(module, folder):
            with contextlib.suppress(Exception, SystemExit):  # it fails again where the user's code imports it
                importlib.import_module(late)
        return imported


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
        spec = PathFinder.find_spec(name, search) if loaded is None else loaded.__spec__
        if spec is None:
            return f"nothing in {search}"
        origin, search = spec.origin, list(spec.submodule_search_locations or [])
    return None if origin is not None and Path(origin).resolve() == file.resolve() else origin or str(search)


@contextmanager
def _from_folder(folder: Path) -> Iterator[None]:
    """Put `folder` first on sys.path; unload modules of other folders and older versions of changed files."""
    _user_modules.unload_others(folder)
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
            if origin and find_module(name, folder) == Path(origin) and Path(origin).is_relative_to(folder):
                _user_modules.add(name, Path(origin))


# See docs/decisions/0016-dtype-policy-belongs-to-the-network.md.
@contextmanager
def _settings_kept(file: Path) -> Iterator[None]:
    """Raise `SpecError` for a module that sets Keras's global dtypes when it is imported, and unload it.

    A module is imported once per process, and a dtype policy holds for one thread until the next network is built. The
    same specification would therefore give one network in this process and another in the next.
    """
    from keras import config

    from handler.backend import global_state

    floats, policy, modules = config.floatx(), global_state.dtype_policy(), set(sys.modules)
    yield
    now = config.floatx(), config.dtype_policy().name
    if now == (floats, policy.name if policy else floats):
        return
    config.set_floatx(floats)
    global_state.set_dtype_policy(policy)
    for name in set(sys.modules) - modules:
        origin = getattr(sys.modules[name], "__file__", None)
        if origin is not None and Path(origin).is_relative_to(file.parent):
            del sys.modules[name]
    what = f"float type to {now[0]!r}" if now[0] != floats else f"dtype policy to {now[1]!r}"
    raise SpecError(
        "",
        f"{file.name} sets Keras's global {what} when it is imported, which does not apply to every network built from "
        "it; set a policy inside the function that builds the network, or give its layers a dtype",
    )


def _stamp(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns
