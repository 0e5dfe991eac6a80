"""Check that code belongs to a project: files of its own folder, and names that these files define themselves.

An environment, an installed package and Python's own library may lie below a project's folder. They do not belong to
the project, nor do names that a module of the project only imports from them.
"""

import os
import site
import sysconfig
from functools import lru_cache
from pathlib import Path

import handler
from handler.errors import SpecError
from handler.store.marker import MARKER
from handler.user_code.modules import RESERVED, bindings, check_reference, find_module, is_allowed_module, parse_module

ENVIRONMENTS = frozenset({"site-packages", "dist-packages", "node_modules", "venv", "virtualenv", "__pypackages__"})
MARKS = {"pyvenv.cfg": "a virtual environment", "conda-meta": "a conda environment"}
FROSTLINE = Path(handler.__file__).resolve().parents[1]
_STORE = frozenset({"runs", "states", "sweeps", "prefit", "prefixes", "backups", "plans", "results"})
_PARTS = frozenset({*RESERVED, "tests", "benchmarks", "docs"})  # top-level folders of Frostline's own checkout


def check_own(reference: str, folder: Path, project: Path, path: str) -> None:
    """Raise `SpecError` for a `module:function` that the project itself does not define. Nothing is imported.

    Args:
        reference: the reference in the specification.
        folder: the specification's folder, where the module is looked up.
        project: the folder of the project that must contain the code.
        path: the field that holds the reference, for messages.
    """
    module, name = reference.split(":")
    if is_allowed_module(module):
        return
    file = folder.joinpath(*module.split("."))
    why = reason_outside_project(file, project)
    if why is None:
        why = reason_outside_project(check_reference(reference, folder, path), project)
    if why is None:
        why = _imported_from(module, name, folder, project, frozenset())  # guard: imported-code
    if why is not None:
        raise SpecError(
            path,
            f"{reference!r} {why}; define it in a module of the project ({project}), or name its module in "
            "FROSTLINE_ALLOWED_MODULES where the worker runs",
        )


def reason_outside_project(file: Path, project: Path) -> str | None:
    """Return the reason why a file doesn't belong to a project, or None if it does.

    Symbolic links are followed. Both the path of the link and its target must belong to the project.

    Args:
        file: the file or folder, absolute.
        project: the project's folder.
    """
    root = Path(os.path.realpath(project))
    real = Path(os.path.realpath(file))
    if not real.is_relative_to(root):  # guard: code-behind-a-link
        return f"is in {file.parent}, outside of the worker's project"
    if (environment := describe_environment(real)) is not None:  # guard: code-of-an-environment
        return f"lies in {environment}"
    lexical = Path(os.path.normpath(file))
    given = lexical.relative_to(project).parts if lexical.is_relative_to(project) else ()
    for part in (*given, *real.relative_to(root).parts):
        if part.startswith("."):
            return f"lies in the hidden folder {part!r}"
        if part in ENVIRONMENTS:
            return f"lies in the environment {part!r}"
    if real.is_relative_to(FROSTLINE) and real.relative_to(FROSTLINE).parts[:1] in {(part,) for part in _PARTS}:
        return "is Frostline's own code"
    for folder in real.parents:
        if folder.name in _STORE and _is_store(folder.parent):
            return f"lies in the store {folder.parent}"
    return None


def describe_environment(path: Path) -> str | None:
    """Return a description of the environment that contains a path, or None if no environment contains it."""
    for folder in (path, *path.parents):
        for mark, kind in MARKS.items():
            if (folder / mark).exists():
                return f"{kind} ({folder})"
        if folder.name in ("site-packages", "dist-packages", "node_modules"):
            return f"an environment ({folder})"
        if folder in _installed():
            return f"a library of Python ({folder})"
    return None


def _is_store(folder: Path) -> bool:
    return (folder / MARKER).exists() or all((folder / part).is_dir() for part in ("runs", "states"))


@lru_cache(maxsize=1)
def _installed() -> frozenset[Path]:
    """Return the folders of Python's own library and of installed packages."""
    named = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    named += [*site.getsitepackages(), site.getusersitepackages()]
    return frozenset(Path(os.path.realpath(place)) for place in named)


def _imported_from(module: str, name: str, folder: Path, project: Path, seen: frozenset[str]) -> str | None:
    """Return the reason why a name of a module is not defined by the project, or None if the project defines it."""
    file = find_module(module, folder)
    if file is None or module in seen:
        return f"comes from {module!r}, which isn't a module of {folder}"
    if (why := reason_outside_project(file, project)) is not None:
        return why
    parts = module.split(".")
    bound, stars = bindings(parse_module(file), parts if file.name == "__init__.py" else parts[:-1])
    for origin in bound.get(name, ()):
        source, _, original = (origin or "").rpartition(".")
        if origin is None or is_allowed_module(source):
            continue
        if _imported_from(source, original, folder, project, seen | {module}) is not None:
            return f"is {origin}, which {file.name} only imports"
    if name in bound:
        return None
    for source in stars:
        if is_allowed_module(source) or _imported_from(source, name, folder, project, seen | {module}) is None:
            return None
    return f"isn't defined in {file.name}"
