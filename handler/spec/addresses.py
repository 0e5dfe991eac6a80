"""The addresses in a specification, and the check of an address against a list of allowed addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from handler.errors.quoting import join

if TYPE_CHECKING:
    from handler.spec.training_spec import TrainingSpec

URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:/")
_MONITOR = {"root": "http://localhost:9000", "path": "/publish/epoch/end/"}  # Keras's own


def addresses(spec: TrainingSpec) -> Iterator[tuple[str, str]]:
    """Yield the `(field, address)` pairs of a specification: every URL, and the address a RemoteMonitor sends to."""
    places: dict[str, Any] = {
        "data": spec.data.model_dump(mode="json", by_alias=True),
        "model": spec.model.model_dump(mode="json", by_alias=True),
    }
    for i, callback in enumerate(spec.training.callbacks):
        path, arguments = f"training.callbacks[{i}]", callback.arguments()
        if callback.name == "RemoteMonitor":
            given = _MONITOR | {key: arguments[key] for key in _MONITOR if key in arguments}
            yield f"{path}.root", f"{given['root']}{given['path']}"
            arguments = {key: value for key, value in arguments.items() if key not in _MONITOR}
        places[path] = arguments
    for path, value in places.items():
        yield from _within(path, value)


def _within(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and URL.match(value):
        yield path, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _within(join(path, str(key)), part)
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _within(f"{path}[{i}]", part)


def is_allowed(address: str, allowed: Sequence[str]) -> bool:
    """Return whether an address equals an allowed address or lies below one.

    Args:
        address: `scheme://host:port/path`; without a scheme it is `tcp`.
        allowed: addresses in the same form.
    """
    requested = _parts(address)
    if requested is None or requested.username is not None or ".." in requested.path.split("/"):
        return False
    for known in map(_parts, allowed):
        if known is not None and _place(requested) == _place(known):
            below = known.path.rstrip("/")
            if requested.path == below or requested.path.startswith(f"{below}/"):
                return True
    return False


def _parts(address: str) -> SplitResult | None:
    """Return the parts of an address, or None for an address that URL parsers interpret differently."""
    if re.search(r"[\s\\\x00-\x1f\x7f]", address) or "%2e" in address.lower():
        return None
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        return parts if parts.port != 0 and parts.hostname else None
    except ValueError:
        return None


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme.lower(), parts.hostname, parts.port
