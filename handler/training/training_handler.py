"""The training handler: pre-fit, the segmented fit between backup and restore, post-fit. Works on live objects."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from handler.activation_cache.cache import PrefixOptions
from handler.arch.deferred_build import build_for
from handler.data.finite_check import check_arrays
from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.errors import StoreError
from handler.fingerprint import data_digests, live_objects
from handler.freezing.accumulation import MaskChangeCheck
from handler.freezing.executor import DLFreezeTrainingExecutor
from handler.freezing.model_outline import outline
from handler.memory import enough_memory
from handler.observer import Observer
from handler.schedule.schedule import Turns, compute_schedule, describe_idle_epochs, describe_layers_frozen_by_user
from handler.spec.training_options import NonFinite
from handler.store.checksums import compute_key
from handler.store.store import Store
from handler.training import arguments, data_backup
from handler.training.earlier_fits import Training, identify, remember_fit
from handler.training.run_record import NotebookRun
from handler.training.segment_runner import SegmentRunner
from handler.validation.arguments import check_network
from handler.validation.array_list import list_arrays


class DLTrainingHandler:
    """The training handler: trains a model through a freeze-training schedule.

    One handler may train several models in turn. With a store, an interrupted training resumes at the same call and
    ends with bit-identical weights. Only fetching batches, computing activations and writing snapshots use threads.

    Args:
        freeze_training: None, one entry (dict) or a list of entries; see the specification reference.
        store: a `Store`, or the path or URL of one. Every state is stored under a key that hashes the arrays, the
            configuration and the initial variables: the same call again resumes from the furthest state, and
            finished epochs are not trained again. None: nothing is written except a temporary backup if needed.
        name: the run's name in the store; None: `notebook-` and the first 8 digits of the key.
        observers: a list of `Observer`s, notified of the training's progress.
        allow_environment_change: resume from states made in another environment.
        snapshot_steps: with a store, also write a snapshot every so many steps; None: only after each epoch.
        prefixes: how activation caches of frozen prefixes are used; None: they are used where that saves time.
        non_finite: the reaction to a loss, a metric or a weight that becomes NaN or infinite: `stop` raises
            `NonFiniteError`; `continue` notifies the observers of a loss or metric and trains on.

    Raises:
        SpecError: `store` or `observers` cannot be used.

    Example:
        >>> import keras, numpy as np
        >>> from handler import DLModelHandler, KerasArchitecture
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4, name="body"), keras.layers.Dense(1)])
        >>> mh = DLModelHandler(KerasArchitecture(network), loss="mse", metrics=[], training_epochs=4)
        >>> handler = DLTrainingHandler({"training_interval": [2, 4], "layers": ["body"]}, store="store")
        >>> len(handler(mh, np.ones((8, 2)), np.ones((8, 1)), None).history["loss"])
        4
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
        arguments.check_store(store)
        arguments.check_observers(observers)
        self.executor = DLFreezeTrainingExecutor(freeze_training)
        self.store = store if isinstance(store, Store) or store is None else Store(store)
        self.name = name
        self.observers = observers
        self.allow_environment_change = allow_environment_change
        self.snapshot_steps, self.prefixes = snapshot_steps, prefixes

    @property
    def freeze_training(self) -> Any:
        """The schedule's entries."""
        return self.executor.freeze_training

    def __call__(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any] | None = None) -> Any:
        """Run pre-fit, fit and post-fit.

        Args:
            mh: a `DLModelHandler`, or any object with the same attributes.
            X: array of shape `(n, ...)`, or a list of such arrays, one per network input. Any integer, float or
                boolean dtype, finite; NumPy or zarr.
            y_rf: array of targets of shape `(n, ...)`, e.g. `(n,)` or `(n, points)`; dtypes as for X, finite.
            callbacks: Keras callbacks; None: those of `mh.build_callbacks()`.

        Returns:
            Keras `History` over all epochs, also `mh.history`.

        Raises:
            FrostlineError: as `fit` raises it.
        """
        arguments.check_model_handler(mh)
        if callbacks is None:
            callbacks = mh.build_callbacks()
        cache_map = self.pre_fit(mh, X, y_rf, callbacks)
        history = self.fit(mh, X, y_rf, callbacks)
        self.post_fit(mh, X, y_rf, callbacks, cache_map)
        return history

    def pre_fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any]) -> dict[str, Any]:
        """Build the cache map and pass it to `mh.arch.prefit_logic_callback`, if the architecture has one.

        With a store, the structure that the architecture derives from X is computed once; later calls read it from the
        store.

        The arguments are those of `__call__`; `callbacks` is not used.

        Returns:
            The cache map: `X` (list of arrays), `y`, `structure` (name -> array of n rows, where the architecture has
            one) and, with a store and a `prefit_logic_callback`, `key` (the structure's key in the store).

        Raises:
            SpecError: `mh`, X or y cannot be used.
            StoreError: the store cannot be written to.
        """
        arguments.check_model_handler(mh)
        arguments.check_data(X, y_rf)
        parts = list_arrays(X)
        cache_map: dict[str, Any] = {"X": parts, "y": y_rf}
        callback = getattr(mh.arch, "prefit_logic_callback", None)
        if callback is None:
            return cache_map
        if self.store is None:
            callback(cache_map)
            return cache_map
        key = compute_key(
            {
                "config": live_objects.plain_json(mh.arch.get_config()),
                "X": [data_digests.array_digest(part) for part in parts],
            },
            allow_nan=True,
        )
        kept = self.store.prefit.read(key)
        if kept is not None:
            cache_map["structure"] = kept[0]
        callback(cache_map)
        if kept is None and cache_map.get("structure"):
            self.store.prefit.write(key, cache_map["structure"], {"of": "structure"})
        cache_map["key"] = key
        return cache_map

    def fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any]) -> Any:
        """Back X and y up if needed, train the segments, and restore the backup, also after a failure.

        Compiles `mh` if it is not compiled. Afterwards the trainable flags are as before, and X and y hold their
        original values, also after a KeyboardInterrupt.

        The arguments are those of `__call__`. X is rearranged during the training if `mh.in_place`.

        Returns:
            Keras `History` over all epochs, also `mh.history`.

        Raises:
            SpecError, ScheduleError: an argument or an entry cannot be used.
            DataError: the data do not fit the network, or are not finite.
            MismatchError: with a store, data, initial variables or environment differ from those of the stored state.
            DamagedError, StoreError: a backup is damaged, no intact state is left, or the disk refuses.
            NonFiniteError: a loss, a metric or a weight became NaN or infinite.
            BusyError: another process is running a run of this name.
            Interrupted, ResourcesError: a stop was requested (with a store the state is saved), or memory ran out.
        """
        arguments.check_model_handler(mh)
        arguments.check_data(X, y_rf)
        arguments.check_callbacks(callbacks)
        with nullcontext() if self.store is None else self.store.hold_off_collections():
            return self._fit(mh, X, y_rf, callbacks)

    def _fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any]) -> Any:
        if self.store is None:
            check_arrays(X, y_rf, getattr(mh, "validation_data", None))  # with a store, the digests check the values
        if mh.compiled is None:
            mh.compile()
        build_for(mh.compiled, list_arrays(X))
        input_X = mh.build_sequencer(X, y_rf)
        if input_X is None:
            input_X = DLSequencer(X, y_rf, mh.batch_size, seed=getattr(mh, "seed", 0))
        backup = self.store_fit_backup(mh, X, y_rf) if self.needs_backup(mh, input_X) else None
        try:
            with enough_memory("fit"):
                return self._fit_segments(mh, callbacks, input_X)
        finally:
            try:
                self.restore_fit_backup(mh, input_X, backup)  # guard: arrays-restored-after-fit
            except KeyboardInterrupt:  # half of X would be left as it was trained on
                self.restore_fit_backup(mh, input_X, backup)  # guard: arrays-restored-after-second-interrupt
                data_backup.drop_backup(backup)
                raise
            data_backup.drop_backup(backup)

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
        """Train the epochs `[initial_epoch, epochs)` under the trainable flags as they are; no state is stored.

        Args:
            mh: the model handler, compiled.
            callbacks: a list of Keras callbacks.
            input_X: a sequencer, or X as for `__call__`.
            input_y: y, if `input_X` is not a sequencer.
            initial_epoch: the first epoch, 0-based.
            epochs: the epoch to stop before; None: `mh.training_epochs`.

        Returns:
            Keras `History` of these epochs, also `mh.history`.

        Raises:
            SpecError: an argument cannot be used.
            NonFiniteError: a loss, a metric or a weight became NaN or infinite.
            Interrupted: a stop was requested.
        """
        arguments.check_model_handler(mh)
        arguments.check_callbacks(callbacks)
        if not hasattr(input_X, "__getitem__") or isinstance(input_X, (np.ndarray, list, tuple)):
            input_X = DLSequencer(input_X, input_y, mh.batch_size, seed=getattr(mh, "seed", 0))
        trainer = self.build_trainer(mh, callbacks, input_X)
        trainer.begin()
        trainer.run(initial_epoch, mh.training_epochs if epochs is None else epochs)
        trainer.end()
        mh.history = trainer.history
        return trainer.history

    def store_fit_backup(self, mh: Any, X: Any, y_rf: Any) -> Path | None:
        """Write X and y to zarr, slab by slab, if the training rearranges them in place.

        Args:
            mh, X, y_rf: as for `__call__`.

        Returns:
            The backup's path, in the store or else in a temporary folder; None if no backup is needed.

        Raises:
            StoreError: the disk refuses the backup; no part of it is left.
        """
        if not getattr(mh, "in_place", False) and not self.needs_backup(mh, mh.build_sequencer(X, y_rf)):
            return None
        folder = self.store.backups if self.store is not None else data_backup.temporary_folder()
        try:
            return data_backup.write_backup(folder, X, y_rf)
        except StoreError:
            data_backup.remove_temporary_folder(folder)
            raise

    def restore_fit_backup(self, mh: Any, input_X: Any, fit_backup: Path | None) -> None:
        """Write the saved values back into the same arrays, X and y.

        Args:
            mh: the model handler; not used.
            input_X: the sequencer that holds X and y; for plain arrays only X is restored.
            fit_backup: the return value of `store_fit_backup`; None does nothing.

        Raises:
            DamagedError: a file of the backup is damaged; X and y stay as the training left them.
            MismatchError: the arrays are not those that were saved.
        """
        if fit_backup is None:
            return
        data_backup.restore_backup(fit_backup, getattr(input_X, "X", input_X), getattr(input_X, "y", None))
        if hasattr(input_X, "mark_restored"):
            input_X.mark_restored()

    @classmethod
    def needs_backup(cls, mh: Any, input_X: Any) -> bool:
        """Return whether a fit needs a backup of X and y: the architecture or the sequencer rearranges them."""
        return cls.check_architecture_needs_backup(mh) or cls.check_input_needs_backup(input_X)

    @staticmethod
    def check_architecture_needs_backup(mh: Any) -> bool:
        """Return whether `mh.arch.needs_fit_backup` is set and `mh` is configured with an in-place sequencer."""
        return bool(getattr(mh.arch, "needs_fit_backup", False) and getattr(mh, "in_place", False))

    @staticmethod
    def check_input_needs_backup(input_X: Any) -> bool:
        """Return whether the input is a sequencer that reorders or edits its arrays in place."""
        return bool(getattr(input_X, "in_place", False))

    def post_fit(self, mh: Any, X: Any, y_rf: Any, callbacks: Sequence[Any], fit_cache_map: dict[str, Any]) -> None:
        """Pass the cache map to `mh.arch.posfit_logic_callback`, if the architecture has one.

        A second call has no further effect with the shipped architectures.

        Args:
            mh: as for `__call__`; X, y_rf and callbacks are not used.
            fit_cache_map: the return value of `pre_fit`; `ConvAutoencPwiseClassif` replaces its `structure` by a
                summary, `digest`.
        """
        callback = getattr(mh.arch, "posfit_logic_callback", None)
        if callback is not None:
            callback(fit_cache_map)

    def prepare_freeze_training(self, mh: Any) -> tuple[list[int], list[dict], list | None]:
        """Return the schedule `(op_epoch, op, lrs)`; see `DLFreezeTrainingExecutor.compute_schedule`.

        Args:
            mh: the model handler. If it has only `training_epochs`, entries may use only plain layer names.

        Raises:
            ScheduleError: an entry cannot be used.
        """
        nn = getattr(mh, "compiled", None)
        if nn is None:
            nn = getattr(getattr(mh, "arch", None), "nn", None)
        return self.executor.prepare_schedule(mh.training_epochs, nn)

    def handle_round_robin_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """Return the turns of a round-robin entry; see `handler.schedule.schedule.round_robin_turns`."""
        return self.executor.handle_round_robin_freezing(layers, interval, strategy)

    def handle_random_freezing(
        self, layers: list[str | list[str]], interval: tuple[int, int], strategy: dict[str, Any]
    ) -> Turns:
        """Return the turns of a random entry; see `handler.schedule.schedule.random_turns`."""
        return self.executor.handle_random_freezing(layers, interval, strategy)

    def build_trainer(self, mh: Any, callbacks: Sequence[Any], input_X: Any, **options: Any) -> Trainer:
        """Build the trainer of a fit; `options` are further arguments of `Trainer`."""
        build_validation = getattr(mh, "build_validation", None)
        if "validation" not in options and build_validation is not None:
            options["validation"] = build_validation()
        return Trainer(
            mh.compiled,
            input_X,
            callbacks,
            epochs=mh.training_epochs,
            observers=self.observers,
            resumable=self.store is not None,
            non_finite=self.non_finite,
            **options,
        )

    def build_runner(self, trainer: Trainer, training: Training) -> SegmentRunner:
        """Build the runner of a training's segments."""
        return SegmentRunner(
            training,
            trainer,
            self.store,
            allow_environment_change=self.allow_environment_change,
            snapshot_steps=self.snapshot_steps,
            prefixes=self.prefixes,
        )

    def _fit_segments(self, mh: Any, callbacks: Sequence[Any], input_X: Any) -> Any:
        nn = mh.compiled
        check_network(nn, "nn")
        layers = outline(nn)
        schedule = compute_schedule(self.freeze_training, mh.training_epochs, layers)
        for text in (*describe_layers_frozen_by_user(layers, schedule), *describe_idle_epochs(layers, schedule)):
            for observer in self.observers:
                observer.on_message(text)
        trainer = self.build_trainer(mh, callbacks, input_X)
        arguments.check_data_of_trainer(trainer)
        training = identify(mh, callbacks, input_X, trainer.validation, schedule, self.store)
        MaskChangeCheck(nn, self.freeze_training).check(schedule, len(input_X), training.steps)
        if self.store is None:
            return self._run(mh, trainer, training)
        run = NotebookRun(self.store, self.name, training.chain, mh, layers)
        trainer.observers = [*self.observers, run]
        with run.recorded(), remember_fit(mh, callbacks, training, self.store):
            return self._run(mh, trainer, training)

    def _run(self, mh: Any, trainer: Trainer, training: Training) -> Any:
        try:
            self.build_runner(trainer, training).run_all()
            trainer.end()
        finally:
            trainer.masks.release()
        mh.history = trainer.history
        return trainer.history
