"""Pretrained weights: puts the weights of a saved model, a weights file or a run of a store into a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from handler.backend import derived_state
from handler.backend.layers import OwnWeight, all_layers, own_variables
from handler.data.reader_process import check_hdf5
from handler.errors import DamagedError, FrostlineError, SpecError
from handler.errors.quoting import suggestion
from handler.freezing.model_outline import freezable_layers, iter_layers, layers_with_weights
from handler.records import InitialWeights, RunRecord
from handler.run.weights_file import WeightsFile, open_weights_file, saveables
from handler.spec.initial_weights import WeightsInto, parse_weights
from handler.state.keras_state import to_array
from handler.store.store import Store

FIELD = "model.weights"
ADAPTER = "lora_"  # prefix of the names of an adapter's two matrices in Keras

# Puts values into a layer, given its stored path and its name path; returns False if the source lacks them.
Put = Callable[[str, str, Any], bool]


def load_pretrained(nn: Any, weights: str | WeightsInto, folder: Path, store: Store) -> InitialWeights:
    """Put pretrained weights into a network, layer by layer, matched by path and shape.

    Layers that the source lacks, or has in another shape (a new head), keep their initial weights. Tensors that
    layers derive from their weights are recomputed.

    Args:
        nn: the network.
        weights: a `.keras` or `.weights.h5` file, relative to `folder`; `run:NAME`, a completed run's model;
            `run:NAME@EPOCH`; or one of these with the path of the layer or model into which to put the weights.
        folder: the specification's folder.
        store: the store in which runs are looked up.

    Returns:
        A record of the layers that were loaded and of those that keep their initial values.

    Raises:
        SpecError: the source can't be read, or no layer of it fits.
    """
    reference, into = parse_weights(weights)
    parts, tables = _Parts(nn, into), derived_state.tables(nn)
    if reference.startswith("run:"):
        known = _from_run(parts, reference, store)
    else:
        file = folder / reference
        if not file.is_file():
            raise SpecError(FIELD, f"{reference!r}: there is no file {file}")
        known = _from_file(parts, reference, file)
    if not parts.loaded:
        where = f"the part {into!r} of this network" if into else "this network"
        what = f"{reference!r} has no layer of the same path and shape as {where}"
        raise SpecError(FIELD, f"{what}; its layers: {', '.join(known)}")
    after = derived_state.tables(nn)
    changed = [name.partition(" ")[2] for name in after if not np.array_equal(after[name], tables[name])]
    summary = parts.summary(reference, into)
    summary.derived = [*changed, *derived_state.refresh(nn)]
    derived_state.forget_functions(nn)
    return summary


def load_file(nn: Any, file: Path) -> None:
    """Put the weights and lookup tables of a `.keras` file into a network of the same structure.

    Raises:
        SpecError: the file can't be read, or belongs to another network.
    """
    parts = _Parts(nn, "")
    with _readable("run", str(file)), open_weights_file(file) as source:
        parts.load(lambda path, _, layer: _fill(layer, source, path, own_table=True), whole=True)
    if not parts.loaded:
        what = f"{file} has the weights of another network than the one that the run's function builds now"
        raise SpecError("run", what)
    derived_state.refresh(nn)
    derived_state.forget_functions(nn)


def stored_epochs(store: Store, record: RunRecord) -> list[int]:
    """Return the epochs of a run for which the store has an intact state."""
    return [epoch for epoch, key in enumerate(record.chain) if store.states.is_intact(key)]


def _from_run(parts: _Parts, reference: str, store: Store) -> list[str]:
    name, at, epoch = reference.removeprefix("run:").partition("@")
    record = store.runs.read(name)
    try:
        if at:
            kept = stored_epochs(store, record)
            if int(epoch) not in kept:
                what = f"{reference!r}: the store has no state after epoch {int(epoch)}"
                raise SpecError(FIELD, f"{what}; it has: {', '.join(map(str, kept)) or 'none'}")
            state = record.chain[int(epoch)]
        elif record.state is not None and not record.model_differs and store.states.is_intact(record.state):
            state = record.state
        else:
            return _from_file(parts, reference, store.runs.file(record, record.model or "model.keras"))
        source = _StateSource(parts.root, reference, store.states.read(state).arrays)
        parts.load(source.put)
        return source.layers()
    except DamagedError as error:
        raise SpecError(FIELD, f"{reference!r}: {error}") from error


def _from_file(parts: _Parts, reference: str, file: Path) -> list[str]:
    with _readable(FIELD, repr(reference)):
        if not reference.startswith("run:"):  # a run's own file is verified by its checksum
            check_hdf5(file)
    with _readable(FIELD, repr(reference)), open_weights_file(file) as source:

        def by_name(path: str, names: str, layer: Any) -> bool:
            return names in source.names and _fill(layer, source, source.names[names])

        def by_structure(path: str, names: str, layer: Any) -> bool:
            return _fill(layer, source, path)

        # Like Keras: a weights file is matched by structure, a model file by layer names.
        if file.name.endswith(".weights.h5"):
            parts.load(by_structure, whole=True)
        if not parts.loaded:
            parts.load(by_name)
        if not parts.loaded:
            parts.load(by_structure, whole=True)
        return [] if parts.loaded else sorted(name for name, path in source.names.items() if source.variables(path))


def _fill(layer: Any, source: WeightsFile, path: str, *, own_table: bool = False) -> bool:
    """Put a layer's stored variables and table into the layer; return False if they are missing or don't fit."""
    if derived_state.has_table(layer):
        table = source.table(layer, path)
        if table is None:
            return own_table
        derived_state.set_table(layer, table, layer.name)
    own = own_variables(layer)
    values = source.variables(path)
    if own and not values:
        return False
    # Keras saves an adapter merged into its kernel. Loading would set both of its matrices to zero, and their
    # gradients would stay zero.
    adapters = [(variable, to_array(variable)) for variable in own if variable.name.startswith(ADAPTER)]
    try:
        if own:
            layer.load_own_variables(values)
    except Exception:  # another shape; a custom layer may raise any exception
        return False
    for variable, value in adapters:  # guard: adapter-stays-initial
        variable.assign(value)
    return True


class _StateSource:
    """The variables and tables of a state, matched with a network's by path; variables with equal paths match in order.

    Keras makes a variable's path of the layer names.
    """

    def __init__(self, root: Any, reference: str, arrays: dict[str, Any]) -> None:
        self.reference = reference
        self.stored: dict[str, list[Any]] = {}
        for name, array in arrays.items():
            if name.startswith("model/"):
                self.stored.setdefault(name.partition(" ")[2], []).append(array)
        self.here: dict[str, list[int]] = {}
        for variable in root.variables:
            self.here.setdefault(variable.path, []).append(id(variable))
        tables = f"{derived_state.GROUP}/"
        self.tables = {name.partition(" ")[2]: array for name, array in arrays.items() if name.startswith(tables)}
        self.places = {id(layer): place for place, layer in derived_state.every_layer(root)}

    def layers(self) -> list[str]:
        """Return the paths of the state's layers."""
        return list(dict.fromkeys(path.rpartition("/")[0] for path in self.stored))

    def put(self, path: str, names: str, layer: Any) -> bool:
        """Put a layer's values into it; return False if the state lacks them or they don't fit."""
        values = self._values(layer)
        if values is None:
            return False
        self._refuse_lost_adapter(layer)
        if derived_state.has_table(layer):
            table = self.tables.get(self.places.get(id(layer), ""))
            if table is None:
                return False
            derived_state.set_table(layer, derived_state.parse_table(table), names)
        for variable, value in values:
            variable.assign(value)
        return True

    def _values(self, layer: Any) -> list[tuple[Any, Any]] | None:
        """Return a layer's variables with their stored values; None if these are missing or don't fit."""
        pairs = []
        for variable in own_variables(layer):
            values, same = self.stored.get(variable.path, []), self.here[variable.path]
            if not values and variable.name.startswith(ADAPTER):
                continue  # the source has no adapter: the new one keeps its initial values
            if len(values) != len(same):
                return None
            pairs.append((variable, values[same.index(id(variable))]))
        return pairs if all(tuple(variable.shape) == value.shape for variable, value in pairs) else None

    def _refuse_lost_adapter(self, layer: Any) -> None:
        own = own_variables(layer)
        if any(variable.name.startswith(ADAPTER) for variable in own):
            return
        for place in {variable.path.rpartition("/")[0] for variable in own}:
            if any(path.startswith(f"{place}/{ADAPTER}") for path in self.stored):
                what = f"the layer {place!r} has a LoRA adapter in the source and none in this network"
                remedy = "add one (enable_lora), or start from the file that `frostline export` writes, which merges it"
                raise SpecError(FIELD, f"{self.reference!r}: {what}; {remedy}")


class _Parts:
    """The layers of a network, or of one part of it, grouped as they are loaded.

    Attributes:
        root: the network or its part.
        loaded: paths of the layers whose values come from a source.
    """

    def __init__(self, nn: Any, into: str) -> None:
        self.root = _part(nn, into)
        self.loaded: set[str] = set()
        whole: dict[int, str] = {}
        for path, layer in layers_with_weights(nn).items():
            for part in [layer.variable] if isinstance(layer, OwnWeight) else all_layers(layer):
                whole.setdefault(id(part), path)
        # A layer of the schedule is loaded as a whole or not at all.
        self._groups: dict[tuple[str, ...], list[tuple[str, str, Any]]] = {}
        for path, names, layer in saveables(self.root):
            if own_variables(layer) or derived_state.has_table(layer):
                own = [whole[id(variable)] for variable in own_variables(layer) if id(variable) in whole]
                group = (whole[id(layer)],) if id(layer) in whole else tuple(own) or (names,)
                self._groups.setdefault(group, []).append((path, names, layer))
        self._all = dict.fromkeys([*layers_with_weights(nn), *(path for group in self._groups for path in group)])

    def load(self, put: Put, *, whole: bool = False) -> None:
        """Put values into the layers, group by group; a group that doesn't fit keeps its values.

        Args:
            put: puts values into one layer, and returns whether they fit.
            whole: load all groups or none.
        """
        before = []
        for group, members in self._groups.items():
            old = [_contents(layer) for _, _, layer in members]
            if all(put(path, names, layer) for path, names, layer in members):
                self.loaded.update(group)
                before += old
                continue
            for restore in old if not whole else [*before, *old]:
                restore()
            if whole:
                self.loaded.clear()
                return

    def summary(self, source: str, into: str) -> InitialWeights:
        """Return the record of the loaded layers and of those that keep their initial values."""
        loaded = [path for path in self._all if path in self.loaded]
        kept = [path for path in self._all if path not in self.loaded]
        return InitialWeights(source=source, into=into, loaded=loaded, kept=kept)


def _part(nn: Any, into: str) -> Any:
    if not into:
        return nn
    below = dict(iter_layers(nn)) | freezable_layers(nn)
    if into not in below or isinstance(below[into], OwnWeight):
        raise SpecError(f"{FIELD}.into", f"the network has no layer or model {into!r}; {suggestion(into, below)}")
    return below[into]


def _contents(layer: Any) -> Callable[[], None]:
    """Return a function that restores the layer's present variables and table."""
    values = [(variable, to_array(variable)) for variable in own_variables(layer)]
    table = derived_state.get_table(layer) if derived_state.has_table(layer) else None

    def restore() -> None:
        for variable, value in values:
            variable.assign(value)
        if table is not None:
            derived_state.set_table(layer, table, layer.name)

    return restore


@contextmanager
def _readable(path: str, name: str) -> Iterator[None]:
    try:
        yield
    except FrostlineError:
        raise
    except Exception as error:  # zlib, struct, zipfile and HDF5 each raise their own exceptions
        text = str(error).splitlines()
        raise SpecError(path, f"{name} can't be read as a Keras file: {text[0] if text else error!r}") from error
