"""Differences between two declarations, as sentences that name the field with its old and new value."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from handler.errors.quoting import join, quote

ABSENT = "(not there)"
# The fields that a declaration names differently from the specification.
_IN_THE_SPECIFICATION = {name: f"training.{name}" for name in ("batch_size", "callbacks", "strategy")}


def iter_differences(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the differences of two declarations, in their order: `(dotted path, value in a, value in b)`.

    A value that only one of them has is `"(not there)"` in the other.
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(key for key in b if key not in a)]:
            yield from iter_differences(a.get(key, ABSENT), b.get(key, ABSENT), join(path, str(key)))
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple):
        for i, (one, other) in enumerate(zip_longest(a, b, fillvalue=ABSENT)):
            yield from iter_differences(one, other, f"{path}[{i}]")
    elif type(a) is not type(b) or a != b:
        yield path, a, b


def first_difference(a: Any, b: Any) -> tuple[str, Any, Any] | None:
    """Return the first difference of two declarations; None if they are equal."""
    return next(iter_differences(a, b), None)


def spec_field(path: str) -> str:
    """Return a declaration's field as the specification names it.

    The index of a callback counts only the callbacks that can affect the training.
    """
    for ours, theirs in _IN_THE_SPECIFICATION.items():
        if path == ours or path.startswith((f"{ours}.", f"{ours}[")):
            return theirs + path[len(ours) :]
    return path


def describe_difference(
    difference: tuple[str, Any, Any], stored_sources: Mapping[str, Any], found_sources: Mapping[str, Any]
) -> str:
    """Return a difference as `field: was this, is that`; digests are shown with their file or code.

    Args:
        difference: an item of `iter_differences`.
        stored_sources: the sources of the digests in the first declaration, see `FileDigests.sources`.
        found_sources: those of the second.
    """
    path, was, now = difference
    before, after = _source(stored_sources, was), _source(found_sources, now)
    where = spec_field(path)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return f"{where}: {_code(before, after)}"
    if isinstance(after, Mapping) or isinstance(before, Mapping):
        where += f" ({', '.join(after if isinstance(after, Mapping) else before)})"
        before = after = None
    return f"{where}: was {_value(was, before)}, is {_value(now, after)}"


def _source(sources: Mapping[str, Any], value: Any) -> Any:
    return sources.get(value) if isinstance(value, str) else None


def _value(value: Any, file: str | None) -> str:
    if value == ABSENT:
        return "absent"
    return f"{file} (content {value})" if file else quote(value, 200)


def _code(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> str:
    """Return the changes in the user's code as text, file by file."""
    changes = []
    for file in sorted({*before, *after}):
        was, now = before.get(file, {}), after.get(file, {})
        changed = [name for name in {**was, **now} if was.get(name) != now.get(name)]
        if file not in after or file not in before:
            changes.append(f"{file} is {'used now' if file in after else 'no longer used'}")
        elif changed:
            changes.append(f"{file} changed: " + ", ".join(_definition(name, was, now) for name in changed))
    return "; ".join(changes) or f"the order of the statements in {' and '.join(sorted(after))} changed"


def _definition(name: str, was: Mapping[str, str], now: Mapping[str, str]) -> str:
    if name not in was or name not in now:
        return f"{name} ({'new' if name in now else 'removed'})"
    return f"{name} (was {was[name][:8]}, is {now[name][:8]})"
