"""Digest of the user's code, from its syntax trees: comments, layout and docstrings do not count.

The modules of the same folder that it imports count too, at any place of the code, and the modules that those import.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import xxhash

from handler.errors import SpecError
from handler.user_code.modules import find_module, import_source, parse_module


def code_digest(module: str, folder: Path, path: str = "") -> str:
    """Return the xxh3-128, in hex, of a module's syntax tree and of those it imports from the specification's folder.

    Args:
        module: the module's name.
        folder: the folder where it is looked up (elsewhere only modules that `FROSTLINE_ALLOWED_MODULES` names).
        path: the field that names it, for messages.

    Raises:
        SpecError: the module does not exist, or one of the modules isn't Python.
    """
    trees = dict(sorted(_trees(module, folder, path).items()))
    own = trees.pop(module)
    content = xxhash.xxh3_128(canonical(own).encode())
    for name, tree in trees.items():
        content.update(f"\0{name}\0{canonical(tree)}".encode())
    return content.hexdigest()


def definitions(module: str, folder: Path) -> dict[str, dict[str, str]]:
    """Return the digests of the definitions in a module and in the modules it imports from the specification's folder.

    Comparing two results shows what changed if the module's digests differ.

    Args:
        module: the module's name.
        folder: the specification's folder.

    Returns:
        Digests by file and name of the definition: `{"mine.py": {"network": "0fd1...", "LIMIT": "77ab..."}}`.
    """
    by_file: dict[str, dict[str, str]] = {}
    for name, tree in sorted(_trees(module, folder, "").items()):
        texts: dict[str, str] = {}
        for node in tree.body[_has_docstring(tree) :]:
            texts[_label(node)] = f"{texts.get(_label(node), '')}\0{canonical(node)}"
        file = find_module(name, folder)
        assert file is not None
        shown = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
        by_file[shown] = {label: xxhash.xxh3_64_hexdigest(text.encode()) for label, text in texts.items()}
    return by_file


def own_imports(module: str, folder: Path) -> list[str]:
    """Return the modules of the specification's folder that a module imports, directly or not, anywhere in its code."""
    return [name for name in sorted(_trees(module, folder, "")) if name != module]


# See docs/decisions/0006-keys-hash-syntax-trees.md.
def canonical(tree: ast.AST) -> str:
    """Return a syntax tree as text without positions, docstrings and empty fields, equal in all versions of Python."""
    if isinstance(tree, ast.Constant):
        return f"{type(tree.value).__name__}:{tree.value!r}"
    parts = []
    for name, value in ast.iter_fields(tree):
        if name == "body" and _has_docstring(tree):
            value = value[1:]
        if value is None or value == [] or name in ("ctx", "type_comment"):
            continue
        items = value if isinstance(value, list) else [value]
        text = ",".join(canonical(item) if isinstance(item, ast.AST) else repr(item) for item in items)
        parts.append(f"{name}=[{text}]" if isinstance(value, list) else f"{name}={text}")
    return f"{type(tree).__name__}({','.join(parts)})"


def _label(node: ast.stmt) -> str:
    """Return the name of the definition that a statement of a module makes."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "its imports"
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [part.id for target in targets if target for part in ast.walk(target) if isinstance(part, ast.Name)]
    return ", ".join(names) or "its other statements"


def _has_docstring(tree: ast.AST) -> bool:
    if not isinstance(tree, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not tree.body:
        return False
    first = tree.body[0]
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _trees(module: str, folder: Path, path: str) -> dict[str, ast.Module]:
    """Return the syntax trees of a module and of all modules it imports that may be the user's, by name."""
    trees: dict[str, ast.Module] = {}
    left = [module]
    while left:
        name = left.pop()
        file = find_module(name, folder)
        if name in trees or file is None:
            continue
        try:
            trees[name] = parse_module(file)
        except SpecError as error:
            raise SpecError(path, error.message) from error
        parts = name.split(".")
        left += [".".join(parts[:i]) for i in range(1, len(parts))]  # a package's __init__ runs first
        left += _imported(trees[name], parts if file.name == "__init__.py" else parts[:-1])
    if module not in trees:
        raise SpecError(path, f"there is no module {module!r} in {folder}")
    return trees


def _imported(tree: ast.Module, package: list[str]) -> Iterator[str]:
    """Yield all names that imports anywhere in a module, which lies in `package`, could refer to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _imported_by_call(node, package)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = import_source(node, package)
            if source:
                yield ".".join(source)
            yield from (".".join([*source, alias.name]) for alias in node.names if alias.name != "*")


def _imported_by_call(node: ast.Call, package: list[str]) -> Iterator[str]:
    """Yield the module that `importlib.import_module("name")` imports; nothing for a name known only at run time."""
    called = ast.unparse(node.func).rpartition(".")[2]
    first = node.args[0] if node.args else next((word.value for word in node.keywords if word.arg == "name"), None)
    if called not in ("import_module", "__import__") or not isinstance(first, ast.Constant):
        return
    name = first.value
    if not isinstance(name, str) or not name.strip("."):
        return
    level = len(name) - len(name.lstrip("."))
    parts = name.lstrip(".").split(".")
    yield ".".join([*(package[: len(package) - level + 1] if level else []), *parts])
    if called == "__import__":
        yield parts[0]
