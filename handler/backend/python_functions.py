"""Detection of random numbers in Python functions within a step (`tf.numpy_function`, `tf.py_function`)."""

import contextlib
import dis
import random
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

OPERATIONS = ("PyFunc", "EagerPyFunc", "PyFuncStateless")
_MODULES = ("random", "secrets", "numpy.random")
_GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator)


def find_function(operation: Any) -> Any:
    """Return the Python function that a graph operation calls, or None if it no longer exists."""
    from tensorflow.python.ops.script_ops import _py_funcs

    return _py_funcs.get(operation.get_attr("token").decode())


def drawn_from(function: Any) -> str | None:
    """Return the name of a random generator that a function uses, or None.

    The search covers the function's code and the objects to which it refers.
    """
    return next(_generators(function, set()), None)


def _generators(value: Any, seen: set[int]) -> Iterator[str]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, _GENERATORS):
        yield f"{type(value).__module__}.{type(value).__name__}"
    elif isinstance(value, ModuleType):
        if value.__name__.startswith(_MODULES):
            yield value.__name__
    elif isinstance(value, FunctionType):
        yield from _of_function(value, seen)
    elif isinstance(value, MethodType):
        yield from _generators(value.__func__, seen)
        yield from _kept(value.__self__, seen)
    elif isinstance(getattr(value, "__self__", None), _GENERATORS):  # random.shuffle, numpy.random.rand
        yield from _generators(value.__self__, seen)
    elif (getattr(value, "__module__", None) or "").startswith(_MODULES):  # numpy.random.default_rng
        yield f"{value.__module__}.{getattr(value, '__name__', type(value).__name__)}"
    else:  # a partial, TensorFlow's wrapper, a callable object
        for part in _wrapped(value):
            if callable(part) or isinstance(part, _GENERATORS):
                yield from _generators(part, seen)
        if callable(value):
            yield from _kept(value, seen)
            yield from _generators(vars(type(value)).get("__call__"), seen)


def _wrapped(value: Any) -> list[Any]:
    """Return the functions that a partial or a wrapper calls, and the arguments that a partial gives."""
    inner = [getattr(value, name, None) for name in ("func", "_func", "__wrapped__")]
    if inner[0]:
        inner += [*getattr(value, "args", ()), *getattr(value, "keywords", {}).values()]
    return inner


def _of_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    if (function.__module__ or "").startswith(_MODULES):
        yield f"{function.__module__}.{function.__name__}"
        return
    if (function.__module__ or "").startswith(("tensorflow.", "keras.", "numpy.")):
        # Skip a library's own code, but search the functions it wraps.
        for part in filter(callable, enclosed_values(function)):
            yield from _generators(part, seen)
        return
    names = set(_names(function.__code__))
    referred = [function.__globals__[name] for name in sorted(names & function.__globals__.keys())]
    referred += [*enclosed_values(function), *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for part in referred:
        if isinstance(part, ModuleType) and part.__name__ == "numpy" and "random" in names:
            yield "numpy.random"
        yield from _generators(part, seen)
        yield from _kept(part, seen)
    imported = {step.argval for step in dis.get_instructions(function.__code__) if step.opname == "IMPORT_NAME"}
    yield from sorted(imported & set(_MODULES))
    if "numpy" in imported and "random" in names:
        yield "numpy.random"


def _kept(value: Any, seen: set[int]) -> Iterator[str]:
    """Yield the generators among an object's attributes."""
    if isinstance(value, ModuleType | type | FunctionType):
        return
    for part in list(getattr(value, "__dict__", {}).values()):
        if isinstance(part, _GENERATORS):
            yield from _generators(part, seen)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def enclosed_values(function: FunctionType) -> Iterator[Any]:
    """Yield the values of a function's closure."""
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # an empty cell
            yield cell.cell_contents
