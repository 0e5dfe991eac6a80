"""The live objects of a training from a specification: data, network, trainer. Each is built when first needed."""

import math
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from handler.activation_cache.cache import PrefixOptions
from handler.data.dataset import Dataset
from handler.data.out_of_core import make_random_access
from handler.data.sources import shape
from handler.engine.batch_check import check_batches, check_inputs, check_lengths
from handler.engine.callback_state import has_unsaved_state
from handler.engine.sequencer import DLSequencer
from handler.engine.target_check import LOSS
from handler.errors import SpecError
from handler.fingerprint import data_digests
from handler.freezing.accumulation import MaskChangeCheck
from handler.observer import Observer
from handler.records import EnvironmentChange
from handler.run.builders import build_callbacks, build_model_handler, load_data
from handler.run.inputs import RunInputs
from handler.run.planner import RunPlanner
from handler.spec.training_spec import TrainingSpec
from handler.state.chain import Position
from handler.state.keras_state import save_model, weights_digest
from handler.stop_flag import stop
from handler.store.atomic_files import as_store_errors
from handler.store.occupied_paths import free_place
from handler.store.store import Store
from handler.training.data_backup import drop_backup
from handler.training.earlier_fits import Training
from handler.training.model_handler import DLModelHandler
from handler.training.segment_runner import SegmentRunner
from handler.training.training_handler import DLTrainingHandler


class RunContext(Protocol):
    """The part of a `TrainingRun` that its live objects use; the attributes are described there."""

    inputs: RunInputs
    spec: TrainingSpec
    folder: Path
    store: Store
    planning: RunPlanner
    observers: list[Observer]
    output_folder: Path

    def note(self, text: str) -> None:
        """Add a note to the run's record and notify the observers."""


class RunComponents:
    """The live objects of one run, and the parts of the stages that use them.

    Attributes:
        mh: the model handler, compiled.
        initial: digest of the initial variables.
        backed_up: path of the backup of X and y; None while there is none.
        restored: whether that backup has been written back.
    """

    def __init__(self, run: RunContext) -> None:
        self.run = run
        training = run.spec.training
        self.handler = DLTrainingHandler(
            run.spec.freeze_training,
            store=run.store,
            observers=run.observers,
            allow_environment_change=run.inputs.allow_environment_change,
            snapshot_steps=training.snapshot.steps,
            prefixes=PrefixOptions(**training.prefix_cache.model_dump()),
            non_finite=training.non_finite,
        )
        self.mh: DLModelHandler = build_model_handler(
            run.spec, run.folder, run.store, shape(run.spec.data, run.folder, run.spec.seed)
        )
        self.initial = data_digests.initial_digest(self.mh)
        self._runner: SegmentRunner | None = None
        self.backed_up: Path | None = None
        self.restored = False

    @cached_property
    def callbacks(self) -> list[Any]:
        """The callbacks; the files that they write go to the run's output folder."""
        made = build_callbacks(self.run.spec, self.run.folder, self.run.output_folder)
        for i, callback in enumerate(made):
            if has_unsaved_state(callback):
                self.run.note(
                    f"training.callbacks[{i}]: {self.run.spec.training.callbacks[i].name} has no get_state and "
                    "set_state, so a resumed run loses its state; add both methods, unless it keeps no state"
                )
        return made

    @cached_property
    def dataset(self) -> Dataset:
        """The data, checked against the network, the schedule and the callbacks."""
        declared = self.run.planning.declared["data"]
        content = {name: declared[name] for name in ("source", "validation")}
        dataset = load_data(self.run.spec, self.run.folder, self.run.store)
        dataset = make_random_access(dataset, content, self.run.store.prefit, self._report_copied)
        self.mh.validation_data, self.mh.augment = dataset.validation, dataset.augment
        self.mh.ignore_label = dataset.ignore_label
        for where, pair in (("data.source", (dataset.X, dataset.y)), ("data.validation", dataset.validation)):
            if pair is not None:
                check_inputs(self.mh.compiled, pair[0], where, more=True)
                check_lengths(pair[0], pair[1], where)
        steps = math.ceil(len(dataset.y) / self.mh.batch_size)
        # guard: specification-mask-inside-window
        MaskChangeCheck(self.mh.compiled, self.run.spec.freeze_training).check(self.run.planning.schedule, steps)
        for i, callback in enumerate(self.run.spec.training.callbacks):
            made = self.callbacks[i]
            # A ModelCheckpoint that saves every epoch has a monitor too, but does not use it.
            monitor = str(getattr(made, "monitor", "")) if getattr(made, "save_best_only", True) else ""
            if monitor.startswith("val_") and dataset.validation is None:
                problem = f"callback {callback.name} watches {monitor!r}, but there is no validation data"
                raise SpecError(f"training.callbacks[{i}].monitor", f"{problem}; name data.validation, or watch 'loss'")
        return dataset

    @cached_property
    def cache_map(self) -> dict[str, Any]:
        """The cache map of pre-fit; once it is built, the architecture holds its structure."""
        return self.handler.pre_fit(self.mh, self.dataset.X, self.dataset.y, self.callbacks)

    @cached_property
    def sequencer(self) -> DLSequencer:
        """The sequencer of the training batches."""
        self.run_pre_fit()
        return self.mh.build_sequencer(self.dataset.X, self.dataset.y)

    @cached_property
    def validation(self) -> DLSequencer | None:
        """The sequencer of the batches that are evaluated after each epoch; None without validation data."""
        return self.mh.build_validation()

    @cached_property
    def digests(self) -> dict[str, Any]:
        """Digests of the data and the initial variables, taken before any training.

        Raises:
            DataError: the data are not finite, or no step can take the batches.
            SpecError: the loss or a metric does not fit the batches.
        """
        digests = data_digests.digests_of_data(self.dataset.X, self.dataset.y, self.dataset.validation, self.initial)
        try:
            check_batches(self.mh.compiled, self.sequencer)
            check_batches(self.mh.compiled, self.validation, "data.validation", "_val")
        except SpecError as error:
            if error.path == LOSS and self.run.spec.model.compile.loss is None and not self.mh.was_compiled:
                raise SpecError(LOSS, f"is missing, and the default {error.message}") from error
            raise
        return digests

    @property
    def runner(self) -> SegmentRunner:
        """The segment runner; building it takes the digests first."""
        if self._runner is None:
            training = Training(self.run.planning.chain, self.take_digests())
            trainer = self.handler.build_trainer(
                self.mh,
                self.callbacks,
                self.sequencer,
                validation=self.validation,
                masks_kept=self.run.spec.training.masks_kept,
                note=self.run.note,
            )
            self._runner = self.handler.build_runner(trainer, training)
        return self._runner

    def run_pre_fit(self) -> dict[str, Any]:
        """Let the architecture compute its structure, once, and return the cache map; the batches are built with it."""
        return self.cache_map

    def take_digests(self) -> dict[str, Any]:
        """Take the digests of the data and the initial variables once, before any training, and return them."""
        return self.digests

    def _report_copied(self, done: int, of: int) -> None:
        for observer in self.run.observers:
            observer.on_data_copied(done, of)
        stop.halt()  # guard: stop-while-rows-written

    @property
    def environment_changes(self) -> list[EnvironmentChange]:
        """The environment changes behind the states that this process has loaded."""
        return [] if self._runner is None else self._runner.environment_changes

    def pre_fit(self) -> dict[str, Any]:
        """Load the data and compute the structure; return their description for the record."""
        cache_map = self.run_pre_fit()
        keys = [key for key in (self.dataset.prefit, cache_map.get("key")) if key]
        structure = {name: list(array.shape) for name, array in (cache_map.get("structure") or {}).items()}
        described = {"dataset": self.dataset.describe(), "prefit": keys, "structure": structure}
        return {**described, "found": self.take_digests()}

    def needs_backup(self) -> bool:
        """Return whether the training rearranges X and y in place."""
        return self.handler.needs_backup(self.mh, self.sequencer)

    def backup(self) -> Path | None:
        """Back X and y up, once, and return the backup's path; None if the training does not rearrange them."""
        self.take_digests()
        if self.backed_up is None and self.needs_backup():
            self.backed_up = self.handler.store_fit_backup(self.mh, self.dataset.X, self.dataset.y)
        return self.backed_up

    def restore(self) -> None:
        """Write the backup back into X and y."""
        self.handler.restore_fit_backup(self.mh, self.sequencer, self.backed_up)
        self.restored = True

    def drop_backup(self) -> None:
        """Remove the backup if it has been restored; a backup that could not be restored stays."""
        if self.backed_up is not None and self.restored:
            drop_backup(self.backed_up)
            self.backed_up, self.restored = None, False

    def finish(self, position: Position, folder: Path) -> dict[str, Any]:
        """Make the final model, save it below `folder` and evaluate it.

        Returns:
            `weights` (digest), `final_is_state`, `model` (file name), `history`, `validation` (logs or None).
        """
        trainer = self.runner.trainer
        self.runner.restore_final(position.epoch)
        history = {name: [float(v) for v in values] for name, values in trainer.history.history.items()}
        before = weights_digest(self.mh.compiled)
        trainer.end()
        self.mh.history = trainer.history
        measured = None if self.validation is None else trainer.evaluate(self.validation)
        with as_store_errors(folder):
            free_place(folder / "model.keras")
        save_model(self.mh.compiled, folder / "model.keras")
        self.handler.post_fit(self.mh, self.dataset.X, self.dataset.y, self.callbacks, self.cache_map)
        weights = weights_digest(self.mh.compiled)
        return {
            "weights": weights,
            "final_is_state": weights == before,
            "model": "model.keras",
            "history": history,
            "validation": measured,
        }
