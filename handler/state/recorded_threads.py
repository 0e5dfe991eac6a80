"""The number of threads with which a training was started, from the first of its states that still records it."""

import contextlib
from collections.abc import Iterable

from handler.errors import StoreError
from handler.store.store import Store


def recorded_threads(store: Store, keys: Iterable[str]) -> int | None:
    """Return the number of threads in the first of some states whose manifest is intact.

    Args:
        store: the store.
        keys: the states' keys; the first state of a training may be lost while later ones exist.

    Returns:
        The number; None if no such manifest exists.
    """
    stored = store.states.stored_keys()
    for key in dict.fromkeys(keys):
        if key in stored:
            with contextlib.suppress(StoreError, KeyError, TypeError, ValueError):
                return int(store.states.manifest(key)["environment"]["threads"])
    return None
