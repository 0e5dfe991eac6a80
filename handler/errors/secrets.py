"""Masking of secrets: passwords in addresses, signatures, and values of secret environment variables.

`masked` is applied to all output: errors, output and answers of commands, a run's record, the log of a flow run.
A specification is stored and shown unchanged, so it must not contain a secret.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

MASK = "***"
_NAMES = r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|AUTH_STRING|ACCESS_KEY|PRIVATE_KEY|CONNECTION_STRING|SAS"
_SECRET_NAME = re.compile(rf"(^|.*_)({_NAMES})($|_(?!ID$).*)", re.IGNORECASE)
_SHORTEST = 6  # characters; a shorter value would be masked in unrelated words
_KEYS = (
    r"[\w.%-]*(?:signature|token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|credential)[\w.%-]*|sig|auth|key|pwd"
)
_USER = re.compile(r"(?<=://)(?:[^\s/?#'\"<>]*|[^\s/@'\"<>]*:[^\s@'\"<>]*)@")
_PATTERNS = (
    (_USER, f"{MASK}@"),
    (re.compile(rf"([?&;](?:{_KEYS})=)[^&;\s'\"<>#]+", re.IGNORECASE), rf"\1{MASK}"),
    (
        re.compile(r"(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|digest|token)?\s*)[^\s'\",}]+", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (re.compile(r"(\bBearer\s+)(?=\S*\d)[\w.~+/=-]{12,}"), rf"\1{MASK}"),
    (re.compile(rf"(\b(?:[A-Z][A-Z0-9]*_)*(?:{_NAMES})(?:_[A-Z0-9]+)*=)[^\s'\"]+"), rf"\1{MASK}"),
)
_HEADERS = re.compile(r"authorization|cookie|.*(key|token|secret|password).*", re.IGNORECASE)


def masked(text: str) -> str:
    """Return a text with each of its secrets replaced by `***`."""
    for value in sorted(_of_environment(), key=len, reverse=True):
        text = text.replace(value, MASK)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def holds_password(text: str) -> bool:
    """Return whether a text is a URL with a user or a password, or a signed URL."""
    return "://" in text and any(pattern.search(text) for pattern, _ in _PATTERNS[:2])


def secret_header(headers: Any) -> str | None:
    """Return the name of a header that carries a secret, or None."""
    names = headers if isinstance(headers, Mapping) else ()
    return next((str(name) for name in names if _HEADERS.fullmatch(str(name))), None)


def _of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _SECRET_NAME.fullmatch(name):
            yield value
            if name.endswith("AUTH_STRING"):
                yield base64.b64encode(value.encode()).decode()
                password = value.partition(":")[2]
                if len(password) >= _SHORTEST:
                    yield password
