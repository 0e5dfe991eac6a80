"""Digests of the user's own functions and classes, for trainings on live objects.

Keras's configuration holds the name of a custom loss or layer, not its code. The digest covers the compiled code, not
the source file, which may have changed since; another version of Python may compile it differently. It also covers
the values and the user's own functions that the code refers to, in its module and in its closure.
"""

import dis
import functools
import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import xxhash

from handler.backend.python_functions import enclosed_values

_NOT_OWN = {"keras", "tensorflow", "numpy", "handler", "builtins", *sys.stdlib_module_names}


# See docs/decisions/0022-live-objects-by-compiled-code.md.
def user_code_digests(objects: Iterable[Any], *, remembers: bool = False) -> list[list[str]]:
    """Return `[name, xxh3-128 in hex]` of every function and class of the user's own in some objects.

    Args:
        objects: functions, or objects; of an object its classes count, and those of its attributes that are
            functions.
        remembers: the lists and mappings that the code refers to are state that changes during the training, as in
            callbacks; they don't count.
    """
    entries: dict[tuple[str, str], None] = {}
    for part in (part for item in objects for part in _iter_code(item)):
        if _is_own(part):
            text = _Text(remembers).of(part)
            entries[part.__qualname__, xxhash.xxh3_128_hexdigest(text.encode())] = None
    return [list(entry) for entry in entries]


def _is_own(part: type | FunctionType) -> bool:
    return (part.__module__ or "").split(".")[0] not in _NOT_OWN


def _iter_code(item: Any) -> Iterator[Any]:
    if isinstance(item, functools.partial):
        yield from _iter_code(item.func)
    elif inspect.ismethod(item):
        yield from _iter_code(item.__self__)
    elif isinstance(item, FunctionType):
        yield item
    else:
        yield from type(item).__mro__
        for value in getattr(item, "__dict__", {}).values():
            if isinstance(value, FunctionType | functools.partial):
                yield from _iter_code(value)


class _Text:
    """The text form of values: code with its references, a class by its members, plain values by their repr.

    Of any other object only the name of its class is written.
    """

    def __init__(self, remembers: bool) -> None:
        self.remembers = remembers
        self.seen: set[int] = set()

    def of(self, value: Any) -> str:
        """Return the text of one value."""
        if isinstance(value, FunctionType | type):
            if id(value) in self.seen or not _is_own(value):  # a method that calls super() has its class in its closure
                return value.__qualname__
            self.seen.add(id(value))
        match value:
            case FunctionType():
                given = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
                return _compiled(value.__code__) + self.all([*given, *enclosed_values(value), *_of_module(value)])
            case type():
                members = sorted((k, v) for k, v in vars(value).items() if callable(v) or not k.startswith("__"))
                return "".join(f"{name} {self.of(part)}" for name, part in members)
            case staticmethod() | classmethod():
                return self.of(value.__func__)
            case property():
                return self.all([value.fget, value.fset])
            case np.ndarray():
                return f"{value.dtype}{value.shape}{xxhash.xxh3_128_hexdigest(np.ascontiguousarray(value).tobytes())}"
            case None | bool() | int() | float() | str() | bytes():
                return repr(value)
            case tuple():
                return self.all(value)
            case list() if not self.remembers:
                return self.all(value)
            case dict() if not self.remembers:
                return self.all(itertools.chain.from_iterable(value.items()))
        return type(value).__qualname__

    def all(self, values: Iterable[Any]) -> str:
        """Return the texts of several values."""
        return f"({','.join(self.of(value) for value in values)})"


def _of_module(function: FunctionType) -> list[Any]:
    """Return the values in its module that a function refers to."""
    names = dict.fromkeys(name for name in _loaded(function.__code__) if name in function.__globals__)
    return [function.__globals__[name] for name in names]


def _loaded(code: CodeType) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL":
            yield step.argval
        elif isinstance(step.argval, CodeType):
            yield from _loaded(step.argval)


def _compiled(code: CodeType) -> str:
    """Return the instructions with their names and constants. No instruction loads the docstring, so it is left out."""
    given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    steps = (f"{step.opname} {_operand(step.argval)}" for step in dis.get_instructions(code))
    return " ".join([*given, str(code.co_argcount), *steps])


def _operand(value: Any) -> str:
    if isinstance(value, frozenset):
        return repr(sorted(map(repr, value)))  # a frozenset's order differs between processes
    return f"({_compiled(value)})" if isinstance(value, CodeType) else repr(value)
