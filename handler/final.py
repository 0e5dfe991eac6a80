"""The model a training ends with: its digest, its file, and how to get it back."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from handler.errors import DamagedError, SpecError
from handler.record import RunRecord
from handler.specification.user_code import UserCode
from handler.state import to_array
from handler.store import Store
from handler.store.files import replacing


def weights_digest(model: Any) -> str:
    """sha256 over every variable of `model.weights`, in order, each as C-contiguous little-endian bytes."""
    digest = hashlib.sha256()
    for variable in model.weights:
        values = to_array(variable)
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def save_model(model: Any, file: Path) -> Path:
    """Saves a model as a `.keras` file, whole: beside, synced, renamed."""
    with replacing(file) as beside:
        model.save(beside)
    return file


class TrainedModel:
    """A run's network, to be asked or saved. Needs TensorFlow.

    Args:
        store: the store, or its path.
        name: the run.
        epoch: the state after so many epochs; None: the final model.

    Raises:
        SpecError: there is no such run, or it has no state at that epoch; says which epochs there are.
    """

    def __init__(self, store: Store | str | Path, name: str, epoch: int | None = None) -> None:
        from handler import environment

        environment.quiet()
        self.store = store if isinstance(store, Store) else Store(store)
        self.record: RunRecord = self.store.runs.read(name)
        self.folder = Path(self.record.spec_folder)
        if epoch is None and not (self.record.model and (self.store.runs.folder(name) / self.record.model).is_file()):
            raise SpecError(
                "run",
                f"{name!r} has no final model yet (it is {self.record.status}); train it to its end, or name an epoch",
            )
        self.epoch = self.record.epochs if epoch is None else epoch
        self.mh = self._handler(name)
        if epoch is None:
            file = self.store.runs.file(self.record, str(self.record.model))
            # The weights alone: the network is built already, and its own classes need not be known to Keras.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
                self.mh.arch.nn.load_weights(file)
        else:
            self._load(epoch)

    def predict(self, X: list[np.ndarray]) -> np.ndarray:
        """What the network gives for prepared inputs, structure computed here."""
        with UserCode(self.folder):
            return self.mh.predict(X)

    def save(self, file: Path) -> Path:
        """Writes the model as a `.keras` file."""
        file = file.absolute()
        with UserCode(self.folder):
            save_model(self.mh.arch.nn, file)
        return file

    def _handler(self, name: str) -> Any:
        from handler.building import build_model_handler
        from handler.data import shape
        from handler.spec import parse_spec

        spec, folder = parse_spec(self.record.spec), Path(self.record.spec_folder)
        spec = spec.model_copy(update={"model": spec.model.model_copy(update={"weights": None})})
        return build_model_handler(spec, folder, self.store, shape(spec.data, folder, spec.seed))

    def _load(self, epoch: int) -> None:
        from handler.state import load_state

        chain = self.record.chain
        there = [e for e, key in enumerate(chain) if self.store.states.intact(key)]
        if epoch not in there:
            raise SpecError(
                "--epoch", f"run {self.record.run!r} has no state after {epoch} epochs; it has them after {there}"
            )
        try:
            load_state(self.store, chain[epoch], self.mh.arch.nn)
        except DamagedError as error:
            raise SpecError("--epoch", f"{error}; another epoch may be intact: {there}") from error
