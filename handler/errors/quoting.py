"""Values, names and paths as an error message quotes them, and suggestions of close names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

from handler.errors.secrets import masked


def quote(value: Any, limit: int = 80) -> str:
    """Return a value as a user would write it, without secrets and cut to `limit` characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = masked(repr(value))
    return text if len(text) <= limit else text[: limit - 3] + "..."


def suggestion(word: Any, known: Iterable[str], what: str = "known are", most: int = 12) -> str:
    """Return a suggestion instead of `word`: close matches if there are any, else the known words.

    Args:
        word: the word given.
        known: the words that are accepted.
        what: the introduction of a list of all known words.
        most: the maximum number of known words to list.
    """
    known = list(known)
    by_lower = {name.lower(): name for name in reversed(known)}
    close = difflib.get_close_matches(str(word), known, 3, 0.7)
    close = close or [by_lower[name] for name in difflib.get_close_matches(str(word).lower(), by_lower, 3, 0.6)]
    if close:
        return "did you mean " + alternatives([f"{name!r}" for name in close]) + "?"
    if not known:
        return f"{what} none"
    return f"{what}: {listing(known, most)}"


def listing(words: Sequence[str], most: int = 6) -> str:
    """Return words as `a, b`, `a, b and 3 more` if there are more than `most`, or `none`."""
    more = len(words) - most
    return (", ".join(words[:most]) or "none") + (f" and {more} more" if more > 0 else "")


def join(prefix: str, path: str) -> str:
    """Join two parts of a path: `a` and `b` are `a.b`, `a` and `[0]` are `a[0]`."""
    return prefix + path if not prefix or not path or path.startswith("[") else f"{prefix}.{path}"


def alternatives(words: Sequence[str]) -> str:
    """Return words as `a`, `a or b`, `a, b or c`."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
