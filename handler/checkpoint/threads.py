"""The number of threads that a training was started with, from whichever of its states still says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from handler.errors import StoreError
from handler.store import Store


def recorded_threads(store: Store, keys: Iterable[str]) -> int | None:
    """The number of threads in the first of some states whose manifest is intact.

    Args:
        store: the store.
        keys: the states' keys; the first state of a training may be lost while later ones are there.

    Returns:
        The number; None where no state of these is there.
    """
    there = store.states.there()
    for key in dict.fromkeys(keys):
        if key in there:
            with contextlib.suppress(StoreError, KeyError, TypeError, ValueError):
                return int(store.states.manifest(key)["environment"]["threads"])
    return None
