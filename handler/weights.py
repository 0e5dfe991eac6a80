"""Starting from pretrained weights: a saved model, a weights file, or a run of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError, SpecError
from handler.layers import addressable
from handler.state import to_array
from handler.store import Store

FIELD = "model.weights"


def start_from(nn: Any, reference: str, folder: Path, store: Store) -> list[str]:
    """Puts pretrained weights into a network, layer by layer, by path and shape.

    Layers of the network that the source doesn't have, or has in another shape (a new head), keep their initial
    weights.

    Args:
        nn: the network.
        reference: a `.keras` or `.weights.h5` file, relative to `folder`; `run:NAME`, a completed run's model; or
            `run:NAME@EPOCH`.
        folder: the specification's folder.
        store: where runs are looked up.

    Returns:
        The paths of the layers that keep their initial weights.

    Raises:
        SpecError: the source can't be read, or no layer of it fits.
    """
    import keras

    if reference.startswith("run:"):
        name, _, epoch = reference[4:].partition("@")
        record = store.runs.read(name)
        if epoch:
            return _from_state(nn, reference, store, record.chain[int(epoch)] if int(epoch) < len(record.chain) else "")
        file = store.runs.folder(name) / (record.model or "model.keras")
    else:
        file = folder / reference
    if not file.is_file():
        raise SpecError(FIELD, f"{reference!r}: there is no file {file}")
    try:
        if file.name.endswith(".weights.h5"):
            nn.load_weights(file)
            return []
        source = keras.models.load_model(file, compile=False)
    except (ValueError, OSError, TypeError) as error:
        raise SpecError(FIELD, f"{reference!r} can't be read as a Keras file: {str(error).splitlines()[0]}") from error
    return _copy(
        nn, reference, {path: [to_array(w) for w in layer.weights] for path, layer in addressable(source).items()}
    )


def _from_state(nn: Any, reference: str, store: Store, key: str) -> list[str]:
    try:
        arrays = store.states.read(key).arrays if key else None
    except DamagedError as error:
        raise SpecError(FIELD, f"{reference!r}: {error}") from error
    if arrays is None:
        raise SpecError(FIELD, f"{reference!r}: the run has no state at that epoch")
    by_path = {name.partition(" ")[2]: array for name, array in arrays.items() if name.startswith("model/")}
    found = {
        path: [by_path[w.path] for w in layer.weights]
        for path, layer in addressable(nn).items()
        if all(w.path in by_path for w in layer.weights)
    }
    return _copy(nn, reference, found)


def _copy(nn: Any, reference: str, source: dict[str, list[np.ndarray]]) -> list[str]:
    kept = []
    for path, layer in addressable(nn).items():
        weights = source.get(path)
        if weights is None or [tuple(w.shape) for w in weights] != [tuple(w.shape) for w in layer.weights]:
            kept.append(path)
            continue
        for variable, value in zip(layer.weights, weights, strict=True):
            variable.assign(value)
    if len(kept) == len(addressable(nn)):
        raise SpecError(
            FIELD,
            f"{reference!r} has no layer of the same path and shape as this network; its layers: {', '.join(source)}",
        )
    return kept
