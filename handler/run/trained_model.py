"""The final model of a training: its digest, its file, and how to load it."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from handler.backend import tensorflow_setup
from handler.data.dataset import DataShape
from handler.errors import DamagedError, SpecError
from handler.records import RunRecord
from handler.state.keras_state import load_state, save_model
from handler.state.missing_states import repair_command
from handler.store.store import Store
from handler.user_code.boundary import UserCode


class TrainedModel:
    """The network of a run, for prediction or export. Needs TensorFlow.

    Args:
        store: the store, or its path.
        name: the run.
        epoch: the number of epochs after which to take the state; None: the final model.

    Raises:
        SpecError: there is no such run, or it has no state at that epoch; names the epochs that exist.
    """

    def __init__(self, store: Store | str | Path, name: str, epoch: int | None = None) -> None:
        tensorflow_setup.quiet()
        self.store = store if isinstance(store, Store) else Store(store)
        self.record: RunRecord = self.store.runs.read(name)
        if self.record.is_of_live_objects:
            what = f"{name!r} was trained in a notebook, which has its network"
            remedy = f"put its state into a network with load_state(store, {self.record.state!r}, model)"
            raise SpecError("run", f"{what}; save it there, or {remedy}")
        if epoch is None and not (self.record.model and (self.store.runs.folder(name) / self.record.model).is_file()):
            what = f"{name!r} has no final model yet (it is {self.record.status})"
            raise SpecError("run", f"{what}; resume it to its end, or name an epoch")
        self.epoch = self.record.epochs if epoch is None else epoch
        self.mh = self._handler()
        if epoch is None:
            self._load_final(self.store.runs.file(self.record, str(self.record.model)))
        else:
            self._load(epoch)

    def predict(self, X: list[np.ndarray]) -> np.ndarray:
        """Return the network's output for prepared inputs; the architecture's structure is computed here.

        Args:
            X: list of arrays of shape `(n, ...)`, one per input.
        """
        with UserCode(self.folder):
            return self.mh.predict(X)

    def save(self, file: Path) -> Path:
        """Write the model as a `.keras` file and return its absolute path."""
        file = file.absolute()
        with UserCode(self.folder):
            save_model(self.mh.arch.nn, file)
        return file

    def _handler(self) -> Any:
        from handler.run.builders import build_model_handler
        from handler.spec.project_folder import project_folder
        from handler.spec.reader import parse_spec

        spec = parse_spec(self.record.spec)
        self.folder = project_folder(self.record.run, self.record.spec_folder, spec)
        compiled = spec.model.compile.model_copy(update={"class_weight": None})  # may name classes of the data
        spec = spec.model_copy(update={"model": spec.model.model_copy(update={"weights": None, "compile": compiled})})
        # guard: shape-from-record
        return build_model_handler(spec, self.folder, self.store, shape_of_record(self.record))

    def _load_final(self, file: Path) -> None:
        """Load the weights alone: the network is built, and Keras need not know its custom classes."""
        from handler.run.initial_weights import load_file

        record = self.record
        # A .keras file holds a LoRA adapter merged into its kernel; the state holds both separately.
        if record.state is not None and not record.model_differs and self.store.states.is_intact(record.state):
            with contextlib.suppress(DamagedError):
                load_state(self.store, record.state, self.mh.arch.nn)  # guard: weights-without-class
                return
        load_file(self.mh.arch.nn, file)

    def _load(self, epoch: int) -> None:
        from handler.run.initial_weights import stored_epochs

        kept = stored_epochs(self.store, self.record)
        epochs = ", ".join(map(str, kept)) or "none"
        if epoch not in kept:
            lost = epoch <= self.record.epochs and epoch in {0, *(planned.end for planned in self.record.plan)}
            remedy = f"; it is damaged or missing, `{repair_command(self.store.root)}` rebuilds it" if lost else ""
            what = f"run {self.record.run!r}: the store has no state after epoch {epoch}; it has: {epochs}{remedy}"
            raise SpecError("--epoch", what)
        try:
            load_state(self.store, self.record.chain[epoch], self.mh.arch.nn)
        except DamagedError as error:
            raise SpecError("--epoch", f"{error}; another epoch may be intact: {epochs}") from error


def shape_of_record(record: RunRecord) -> DataShape:
    """Return the shape of a run's data from its record; the data need not exist any more."""
    dataset = record.dataset
    names = dataset.get("class_names")
    return DataShape(
        tuple((tuple(part["shape"]), part["dtype"]) for part in dataset.get("inputs", [])),
        len(names) if names else None,
        tuple(names) if names else None,
        dataset.get("ignore_label"),
    )
