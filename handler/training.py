"""The training handler: pre-fit, the segmented fit between backup and restore, post-fit. Works alone, on live
objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from handler import identity
from handler.arch.unbuilt import build_from
from handler.backup import clear, drop_backup, restore_backup, temporary_folder, write_backup
from handler.boundaries import Boundaries
from handler.chain import Chain, key_of
from handler.data.finite import check_arrays
from handler.engine.probe import check_batches
from handler.engine.trainer import Trainer
from handler.errors import SpecError, StoreError
from handler.executor import DLFreezeTrainingExecutor, Turns
from handler.layers import outline
from handler.memory import enough_memory
from handler.notebook.arguments import (
    check_callbacks,
    check_data,
    check_model_handler,
    check_observers,
    check_store,
)
from handler.notebook.run_record import NotebookRun
from handler.notebook.standing import Training, identify, remembered
from handler.observe import Observer
from handler.prefix.prefixes import PrefixOptions
from handler.schedule import compute_schedule, held_layers, idle_segments
from handler.segments import SegmentWalk
from handler.sequencer import DLSequencer
from handler.specification.non_finite import NonFinite
from handler.store import Store


class DLTrainingHandler:
    """Trains a model through a freeze-training schedule.

    Args:
        freeze_training: None, one entry (dict) or a list of entries; see the specification reference.
        store: a `Store` or the path of one. With it every state is kept under a key that hashes the arrays, the
            configuration and the initial variables: the same call again resumes from the furthest one, and what is
            trained already isn't trained again. Without it nothing is written but a backup where one is needed.
        name: the run's name in the store; None: `notebook-` and the beginning of the key.
        observers: told what the training does.
        allow_environment_change: go on from states made in another environment.
        snapshot_steps: with a store, also take a snapshot every so many steps; None: only after each epoch.
        prefixes: how the activations of frozen prefixes are used; None: computed once where that pays.
        non_finite: what a loss, a metric or a weight that becomes NaN or infinite does: `stop` ends the training with
            a `NonFiniteError` that names the epoch and the step, `continue` tells the observers.
    """

    def __init__(
        self,
        freeze_training: Any = None,
        *,
        store: Store | str | Path | None = None,
        name: str | None = None,
        observers: Sequence[Observer] = (),
        allow_environment_change: bool = False,
        snapshot_steps: int | None = None,
        prefixes: PrefixOptions | None = None,
        non_finite: NonFinite = "stop",
    ) -> None:
        self.non_finite = non_finite
        check_store(store)
        check_observers(observers)
        self.executor = DLFreezeTrainingExecutor(freeze_training)
        self.store = store if isinstance(store, Store) or store is None else Store(store)
        self.name = name
        self.observers = observers
        self.allow_environment_change = allow_environment_change
        self.snapshot_steps, self.prefixes = snapshot_steps, prefixes

    @property
    def freeze_training(self) -> Any:
        """The entries."""
        return self.executor.freeze_training

    def __call__(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any] | None = None) -> Any:
        """Pre-fit, fit, post-fit.

        Args:
            mh: a `DLModelHandler` or anything with the same attributes.
            X: array or list of arrays, first axis = examples.
            y_rf: targets, first axis = examples.
            callbacks: Keras callbacks; None: those of `mh.build_callbacks()`.

        Returns:
            Keras `History` over all epochs, also `mh.history`.

        Raises:
            SpecError: an argument can't be used. What `fit` raises.
        """
        check_model_handler(mh)
        if callbacks is None:
            callbacks = mh.build_callbacks()
        cache_map = self.pre_fit(mh, X, y_rf, callbacks)
        history = self.fit(mh, X, y_rf, callbacks)
        self.post_fit(mh, X, y_rf, callbacks, cache_map)
        return history

    def pre_fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any]) -> dict[str, Any]:
        """Builds the cache map (`X`, `y`, `structure`) and gives it to `mh.arch.prefit_logic_callback`, if there is
        one.

        The structure an architecture derives from X is computed once: with a store it is kept there and read from
            then on.
        """
        check_model_handler(mh)
        check_data(X, y_rf)
        parts = list(X) if isinstance(X, (list, tuple)) else [X]
        cache_map: dict[str, Any] = {"X": parts, "y": y_rf}
        callback = getattr(mh.arch, "prefit_logic_callback", None)
        if callback is None:
            return cache_map
        if self.store is None:
            callback(cache_map)
            return cache_map
        key = key_of({"config": identity.plain(mh.arch.get_config()), "X": [identity.array(part) for part in parts]})
        kept = self.store.prefit.read(key)
        if kept is not None:
            cache_map["structure"] = kept[0]
        callback(cache_map)
        if kept is None and cache_map.get("structure"):
            self.store.prefit.write(key, cache_map["structure"], {"of": "structure"})
        cache_map["key"] = key
        return cache_map

    def fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any]) -> Any:
        """Backs X and y up if needed, trains the segments, restores the backup, also after a failure.

        Afterwards the trainable flags are as before.

        Returns:
            Keras `History` over all epochs, also `mh.history`.

        Raises:
            StoreError: the disk refuses. ResourcesError: memory ran out. Both leave X, y and the store as they were.
        """
        check_model_handler(mh)
        check_data(X, y_rf)
        check_callbacks(callbacks)
        with nullcontext() if self.store is None else self.store.trained_in():
            return self._fit(mh, X, y_rf, callbacks)

    def _fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any]) -> Any:
        if self.store is None:
            check_arrays(X, y_rf, getattr(mh, "validation_data", None))  # a store's digests look at them
        if mh.compiled is None:
            mh.compile()
        _build_network(mh.compiled, X)
        input_X = mh.build_sequencer(X, y_rf)
        if input_X is None:
            input_X = DLSequencer(X, y_rf, mh.batch_size, seed=getattr(mh, "seed", 0))
        backup = self.store_fit_backup(mh, X, y_rf)
        try:
            with enough_memory("fit"):
                return self._fit_segments(mh, callbacks, input_X)
        finally:
            try:
                self.restore_fit_backup(mh, input_X, backup)
            except KeyboardInterrupt:  # half of X would be left as it was trained on
                self.restore_fit_backup(mh, input_X, backup)
                self._drop_backup(backup)
                raise
            self._drop_backup(backup)

    def model_fit(
        self,
        mh: Any,
        callbacks: Sequence[Any],
        input_X: Any,
        input_y: Any,
        *,
        initial_epoch: int = 0,
        epochs: int | None = None,
    ) -> Any:
        """Trains the epochs `[initial_epoch, epochs)` in one go, under the trainable flags as they are.

        Args:
            mh: the model handler, compiled.
            callbacks: Keras callbacks.
            input_X: a sequencer, or X.
            input_y: y, where `input_X` isn't a sequencer.
            initial_epoch: the first epoch, 0-based.
            epochs: the epoch to stop before; None: `mh.training_epochs`.

        Returns:
            Keras `History` of these epochs, also `mh.history`.
        """
        check_model_handler(mh)
        check_callbacks(callbacks)
        if not hasattr(input_X, "__getitem__") or isinstance(input_X, (np.ndarray, list, tuple)):
            input_X = DLSequencer(input_X, input_y, mh.batch_size, seed=getattr(mh, "seed", 0))
        trainer = self._trainer(mh, callbacks, input_X)
        trainer.begin()
        trainer.run(initial_epoch, mh.training_epochs if epochs is None else epochs)
        trainer.end()
        mh.history = trainer.history
        return trainer.history

    def store_fit_backup(self, mh: Any, X: Any, y_rf: Any) -> Path | None:
        """Writes X (array or list of arrays, any dtype) and y to zarr, chunk by chunk.

        Returns:
            Where it lies; None where none is needed.
        """
        if not (self.check_architecture_needs_backup(mh) or self.check_input_needs_backup(mh.build_sequencer(X, y_rf))):
            return None
        folder = self.store.backups if self.store is not None else temporary_folder()
        try:
            return write_backup(folder, X, y_rf)
        except StoreError:
            clear(folder)
            raise

    def restore_fit_backup(self, mh: Any, input_X: Any, fit_backup: Path | None) -> None:
        """Writes the saved values back into the same arrays, X and y.

        Args:
            mh: the model handler.
            input_X: the sequencer that holds X and y; of bare arrays X alone is restored.
            fit_backup: what `store_fit_backup` returned; None does nothing.
        """
        if fit_backup is None:
            return
        if hasattr(input_X, "X"):
            restore_backup(fit_backup, input_X.X, input_X.y)
        else:
            restore_backup(fit_backup, input_X, None)
        if hasattr(input_X, "restored"):
            input_X.restored()

    @staticmethod
    def check_architecture_needs_backup(mh: Any) -> bool:
        """Whether the architecture asks for a backup and `mh` is configured with an in-place sequencer."""
        return bool(getattr(mh.arch, "needs_fit_backup", False) and getattr(mh, "in_place", False))

    @staticmethod
    def check_input_needs_backup(input_X: Any) -> bool:
        """Whether the input is a sequencer that reorders or edits its arrays in place."""
        return bool(getattr(input_X, "in_place", False))

    def post_fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any], fit_cache_map: dict[str, Any]) -> None:
        """Digests the cache map: gives it to `mh.arch.posfit_logic_callback`, if there is one. Twice is the same as
        once.
        """
        callback = getattr(mh.arch, "posfit_logic_callback", None)
        if callback is not None:
            callback(fit_cache_map)

    def prepare_freeze_training(self, mh: Any) -> tuple[list[int], list[dict], list | None]:
        """The schedule `(op_epoch, op, lrs)`. `mh` may have nothing but `training_epochs`; then only plain names can
        be used.
        """
        nn = getattr(mh, "compiled", None)
        if nn is None:
            nn = getattr(getattr(mh, "arch", None), "nn", None)
        return self.executor.prepare_schedule(mh.training_epochs, nn)

    def handle_round_robin_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """See `DLFreezeTrainingExecutor.handle_round_robin_freezing`."""
        return self.executor.handle_round_robin_freezing(layers, interval, strategy)

    def handle_random_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """See `DLFreezeTrainingExecutor.handle_random_freezing`."""
        return self.executor.handle_random_freezing(layers, interval, strategy)

    def _fit_segments(self, mh: Any, callbacks: Sequence[Any], input_X: Any) -> Any:
        nn = mh.compiled
        layers = outline(nn)
        schedule = compute_schedule(self.freeze_training, mh.training_epochs, layers)
        for text in (*held_layers(layers, schedule), *idle_segments(layers, schedule)):
            for observer in self.observers:
                observer.on_note(text)
        Boundaries(nn, self.freeze_training).check(schedule, len(input_X))
        trainer = self._trainer(mh, callbacks, input_X)
        self._check_batches(trainer)
        if self.store is None:
            return self._walk(mh, trainer, Training(Chain("live", schedule)), self.observers)
        training = identify(mh, callbacks, input_X, trainer.validation, schedule, self.store)
        run = NotebookRun(self.store, self.name, training.chain, mh)
        with run.at_work(), remembered(mh, callbacks, training, self.store):
            return self._walk(mh, trainer, training, [*self.observers, run])

    def _walk(self, mh: Any, trainer: Trainer, training: Training, observers: Sequence[Observer]) -> Any:
        nn, schedule = mh.compiled, training.chain.schedule
        walk = SegmentWalk(
            training.chain,
            self.store.states if self.store else None,
            lambda: trainer,
            found=lambda: training.found,
            allow_environment_change=self.allow_environment_change,
            snapshot_steps=self.snapshot_steps,
            observers=observers,
            prefixes=self.prefixes,
            prefix_folder=self.store.prefixes if self.store else None,
        )
        if training.continues:
            walk.at = None  # where the live objects stand is loaded from the store
        segments = {segment.start: segment for segment in schedule.segments}
        end = 0

        def fit_segment(initial_epoch: int, epochs: int) -> Any:
            nonlocal end
            record = walk.run(segments[initial_epoch])
            end, nn.stop_training = record.end, record.stopped
            return record

        self.executor.execute(nn, mh.training_epochs, fit_segment)
        walk.stand_at_end(end)
        trainer.end()
        mh.history = trainer.history
        return trainer.history

    def _trainer(self, mh: Any, callbacks: Sequence[Any], input_X: Any) -> Trainer:
        build_validation: Callable[[], Any] | None = getattr(mh, "build_validation", None)
        return Trainer(
            mh.compiled,
            input_X,
            callbacks,
            epochs=mh.training_epochs,
            observers=self.observers,
            validation=build_validation() if build_validation else None,
            resumable=self.store is not None,
            non_finite=self.non_finite,
        )

    def _check_batches(self, trainer: Trainer) -> None:
        """Refuses what no step could take; the paths are those of the handler's own arguments."""
        try:
            check_batches(trainer.model, trainer.sequencer, "X and y_rf")
            check_batches(trainer.model, trainer.validation, "validation_data", "_val")
        except SpecError as error:
            path = error.path.removeprefix("model.compile.").removeprefix("data.args.")
            raise type(error)(path, error.message) from error

    def _drop_backup(self, backup: Path | None) -> None:
        """A backup that is restored has done its work."""
        if backup is not None:
            drop_backup(backup)
            if self.store is None:
                clear(backup.parent)


def _build_network(nn: Any, X: Any) -> None:
    """Builds a network that isn't built yet as its first batch would; nothing is known of what is no array."""
    parts = X if isinstance(X, list | tuple) else [X]
    if all(isinstance(getattr(part, "dtype", None), np.dtype) for part in parts):
        build_from(nn, [(part.shape[1:], part.dtype.name) for part in parts], "arch")
