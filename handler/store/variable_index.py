"""The index in a state's manifest: the state and the bytes in which each variable is stored."""

from collections.abc import Callable
from typing import Any

import numpy as np

from handler.store.arrays import as_bytes, describe
from handler.store.checksums import digest_bytes
from handler.store.training_state import TrainingState


def changed_variables(
    key: str, state: TrainingState, known: dict[tuple[str, str], dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Return the index of a state's variables, and the bytes of those that no other state holds.

    `known` has the entries of the parent state's index, by name and digest.
    """
    index, parts, offset = [], [], 0
    for name, array in state.arrays.items():
        data = as_bytes(array)
        digest = digest_bytes(data.data)
        entry = {"name": name, **describe(array), "xxh3": digest, "bytes": data.size}
        stored = known.get((name, digest))
        if stored is not None:
            index.append({**entry, "state": stored["state"], "offset": stored["offset"]})
            continue
        index.append({**entry, "state": key, "offset": offset})
        parts.append(data)
        offset += data.size
    return index, parts


def stored_entry(entry: dict[str, Any], manifest: Callable[[str], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the entry of a variable in the manifest of the state whose file holds its bytes, or None if there is none.

    A state may have been trained again since it was referred to. It may then hold the same variables at another offset,
    or refer to another state for them. Therefore each variable is looked up by name and digest.

    Args:
        entry: the variable's entry in a state's manifest.
        manifest: returns the manifest of a state, with an `index` of its entries by name and digest.
    """
    name, passed = (entry["name"], entry["xxh3"]), set[str]()
    while entry["state"] not in passed:
        passed.add(entry["state"])
        stored = manifest(entry["state"])["index"].get(name)
        if stored is None:
            break
        if stored["state"] == entry["state"]:
            return stored
        entry = stored
    return None
