"""Layer state outside weights: lookup tables, bin boundaries, and tensors that `finalize_state` computes.

A traced function holds that state as constants, so the functions are dropped when the state changes.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from handler.errors import MismatchError

GROUP = "tables"


def every_layer(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield `(path, layer)` for every layer below one, in containers of any kind, each layer once."""
    seen: set[int] = set()

    def below(parent: Any, path: str) -> Iterator[tuple[str, Any]]:
        for child in parent._flatten_layers(include_self=False, recursive=False):
            if id(child) not in seen:
                seen.add(id(child))
                place = f"{path}/{child.name}" if path else child.name
                yield place, child
                yield from below(child, place)

    return below(layer, "")


def has_table(layer: Any) -> bool:
    """Return whether a layer looks values up in a table that is no weight."""
    return isinstance(layer, _lookups())


def get_table(layer: Any) -> dict[str, Any]:
    """Return a layer's table as plain JSON: `vocabulary` (special tokens included) and `idf`, or `bin_boundaries`."""
    import keras

    if isinstance(layer, keras.layers.Discretization):
        bins = layer.bin_boundaries
        return {"bin_boundaries": None if bins is None else [float(edge) for edge in bins]}
    kind = str if layer.vocabulary_dtype == "string" else int
    idf = getattr(layer, "idf_weights_const", None)
    tokens = [kind(token) for token in layer.get_vocabulary()] if layer.lookup_table.size() else []
    # Without the padding up to `max_tokens`, which Keras adds again.
    return {"vocabulary": tokens, "idf": None if idf is None else [float(w) for w in np.asarray(idf)[: len(tokens)]]}


def set_table(layer: Any, table: Mapping[str, Any], path: str) -> bool:
    """Set a layer's table, and return whether the layer had another one.

    Raises:
        MismatchError: the layer does not accept that table; names the layer.
    """
    if get_table(layer) == table:
        return False
    if "bin_boundaries" in table:
        layer.bin_boundaries = table["bin_boundaries"]
        return True
    try:
        layer.set_vocabulary(table["vocabulary"], **({} if table["idf"] is None else {"idf_weights": table["idf"]}))
    except (ValueError, RuntimeError, KeyError) as error:
        raise MismatchError(
            f"the layer {path!r} can't take the stored vocabulary of {len(table.get('vocabulary', ()))} tokens: "
            f"{str(error).splitlines()[0]}; build the network with that vocabulary"
        ) from error
    return True


def tables(model: Any) -> dict[str, np.ndarray]:
    """Return the tables of a network's layers as uint8 arrays of UTF-8 JSON, named `tables/0000 path`."""
    return {
        f"{GROUP}/{i:04d} {path}": np.frombuffer(json.dumps(get_table(layer)).encode(), np.uint8)
        for i, (path, layer) in enumerate(_with_tables(model))
    }


def put_tables(model: Any, arrays: Mapping[str, np.ndarray]) -> bool:
    """Put the tables of a state into a network, and return whether one changed.

    A state of an older version has no tables; then nothing happens.

    Raises:
        MismatchError: the state has another number of tables, or a layer does not accept one.
    """
    stored = [array for name, array in arrays.items() if name.startswith(f"{GROUP}/")]
    layers = _with_tables(model)
    if not stored:
        return False
    if len(stored) != len(layers):
        raise MismatchError(f"{GROUP}: the state has {len(stored)} lookup tables, the network has {len(layers)}")
    changed = [set_table(layer, parse_table(array), path) for (path, layer), array in zip(layers, stored, strict=True)]
    return any(changed)


def parse_table(array: np.ndarray) -> dict[str, Any]:
    """Return the table that `tables` wrote as an array."""
    table: dict[str, Any] = json.loads(bytes(array))
    return table


# See docs/decisions/0054-weights-by-path.md.
def refresh(model: Any) -> list[str]:
    """Let every layer recompute the tensors that it derives from its weights; return the paths of changed layers.

    The model's traced functions are dropped then. Functions that others have traced are theirs to drop.
    """
    layers = [(model.name, model), *every_layer(model)]
    changed = [path for path, layer in layers if _derives(layer) and _finalize(layer)]
    if changed:
        forget_functions(model)
    return changed


def forget_functions(model: Any) -> None:
    """Make Keras trace the functions of a model and of its nested models again when they are next used."""
    for part in model._flatten_layers():
        for name in ("train_function", "test_function", "predict_function"):
            if getattr(part, name, None) is not None:
                setattr(part, name, None)


def _with_tables(model: Any) -> list[tuple[str, Any]]:
    return [(path, layer) for path, layer in every_layer(model) if has_table(layer)]


def _lookups() -> tuple[type, ...]:
    import keras

    return keras.layers.StringLookup, keras.layers.IntegerLookup, keras.layers.Discretization


def _derives(layer: Any) -> bool:
    import keras

    # A TextVectorization uses an inner StringLookup, which is among the layers.
    passes_on = (*_lookups(), keras.layers.TextVectorization)
    return callable(getattr(layer, "finalize_state", None)) and not isinstance(layer, passes_on)


def _finalize(layer: Any) -> bool:
    before = _values(layer)
    layer.finalize_state()
    after = _values(layer)
    return before.keys() != after.keys() or any(not np.array_equal(before[name], after[name]) for name in after)


def _values(layer: Any) -> dict[str, np.ndarray]:
    """Return the tensors, arrays and numbers that a layer keeps outside its variables."""
    from keras import ops

    plain = (np.ndarray, int, float, list, tuple)
    values = {}
    for name, value in vars(layer).items():
        if not name.startswith("_") and (ops.is_tensor(value) or isinstance(value, plain)):
            try:
                values[name] = np.asarray(value)
            except (ValueError, TypeError, NotImplementedError):  # ragged, or symbolic
                continue
    return values
