"""The segment runner: trains the segments of a training along its chain of states.

The flow and `DLTrainingHandler.fit` both use it. One rule covers retry, resumption, caching and sharing: look for
the furthest intact state of the chain on disk, and resume from it.
"""

import contextlib
import time
from typing import Any

from handler.activation_cache.cache import ActivationCache, PrefixOptions
from handler.engine.finite_check import check_history
from handler.engine.trainer import Trainer
from handler.errors import DamagedError, Interrupted, MismatchError, StoreError
from handler.fingerprint import data_digests, environment
from handler.freezing.executor import apply_epoch
from handler.records import EnvironmentChange, SegmentRecord, Source
from handler.schedule.schedule import Segment
from handler.state.chain import Position, latest_intact, superseded_snapshots
from handler.state.completion import record_segment, use_completed
from handler.state.missing_states import is_prefix_of
from handler.state.writer import StateWriter
from handler.store.store import Store
from handler.training.earlier_fits import Training


class SegmentRunner:
    """The segment runner of one training; segments with a state on disk are not trained again.

    Args:
        training: the training, whose digests are compared with those of a state before it is used.
        trainer: the trainer; its observers are notified of the progress.
        store: the store; None keeps no states (then the segments must be run in order), and caches in memory.
        allow_environment_change: resume from states made in another environment.
        snapshot_steps: also write a snapshot every so many steps of an epoch; None: only after each epoch.
        prefixes: how activation caches of frozen prefixes are used.

    Attributes:
        at: the key of the state that the live objects hold; None if they hold no state of the chain.
        environment_changes: the environment changes behind the state that the training has reached.
    """

    def __init__(
        self,
        training: Training,
        trainer: Trainer,
        store: Store | None,
        *,
        allow_environment_change: bool = False,
        snapshot_steps: int | None = None,
        prefixes: PrefixOptions | None = None,
    ) -> None:
        self.chain, self.trainer, self._digests = training.chain, trainer, training.digests
        self.states = store.states if store else None
        self.allow_environment_change, self.snapshot_steps = allow_environment_change, snapshot_steps
        self._writer = StateWriter(self.chain, self.states) if self.states is not None else None
        self._prefixes = ActivationCache(
            trainer.masks,
            trainer.sequencer,
            prefixes or PrefixOptions(),
            folder=store.prefixes if store else None,
            digests=self._digests,
            trace=trainer.trace,
            tell=trainer.note,
            after=self._prefix_done,
        )
        # None also after a failed attempt, so that the next one loads a state from disk.
        self.at = None if training.continues else self.chain.keys[0]
        self.environment_changes: list[EnvironmentChange] = []

    def position(self, before: int | None = None) -> Position | None:
        """Return the furthest intact state on disk, None if there is none.

        Args:
            before: consider only states of epochs before this one.
        """
        if self.states is None:
            return None
        return latest_intact(self.chain.keys, self.states, None if before is None else before - 1)

    def run(self, segment: Segment) -> SegmentRecord:
        """Return a segment's record once its end state exists: use a cached state, or train from the furthest state.

        Raises:
            Interrupted: a stop was requested; the state is saved.
            MismatchError: the data, the initial variables or the environment differ from those of the state on disk.
            NonFiniteError: a loss, a metric or a weight became NaN or infinite; the states before it are kept.
            DamagedError: no intact state is left, and the live objects have been trained past the chain's start.
            StoreError: the disk refuses a state.
        """
        began = time.perf_counter()
        trainer, observers = self.trainer, self.trainer.observers
        done = use_completed(self.chain, self.states, segment, observers) if self.states is not None else None
        if done is not None:
            return done
        start = self._stand(self.position())
        self.at = None
        source: Source = "resumed" if start > segment.start or trainer.step else "trained"
        for observer in observers:
            observer.on_segment_begin(segment, start, len(trainer.sequencer))
        end = self._train(start, segment.end)
        self.at = self.chain.keys[end]
        record = record_segment(
            segment,
            end,
            self.at,
            source,
            trained_epochs=end - start,
            seconds=round(time.perf_counter() - began, 3),
            stopped=bool(trainer.model.stop_training),
        )
        if trainer.prefix is not None:
            record.prefix = round(trainer.prefix.share, 4)
        for observer in observers:
            observer.on_segment_end(record)
        return record

    def run_all(self) -> None:
        """Run every segment, up to the one in which a callback ends the training, and restore the final state.

        Raises:
            FrostlineError: as `run` raises it.
        """
        end = 0  # See docs/decisions/0062-one-runner.md.
        for segment in self.chain.schedule.segments:
            record = self.run(segment)
            end = record.end
            if record.stopped:
                break
        self.restore_final(end)

    def restore_final(self, epoch: int) -> None:
        """Put the state after `epoch` epochs into the trainer.

        The state is loaded if the live objects hold another one, and trained again if it turns out to be damaged.
        Afterwards `at` is None: the caller may change the live objects.
        """
        key = self.chain.keys[epoch]
        self._prefixes.release()
        while self.at != key:  # the state may be intact again once a state that it refers to is trained again
            try:
                self._load(Position(key, epoch))
            except DamagedError as error:
                self._quarantine(key, error)  # guard: damaged-end-trained-again
                for segment in self.chain.schedule.segments:
                    self.run(segment)
        self.at = None  # the caller may change the live objects, which then match no key

    def wait_for_writer(self) -> None:
        """Return once no state is being written; raise the error of a failed write."""
        if self._writer is not None:
            self._writer.finish()

    def rebuild(self, epoch: int) -> None:
        """Train the state after an epoch again, from the nearest intact state before it, although later states exist.

        Raises:
            MismatchError: the data, the initial variables or the environment differ from those of a later state, or
                the retrained state's history differs from a later state's; the retrained state is removed then.
            DamagedError: the retrained state is not intact.
            Interrupted: a stop was requested; the state is saved.
            StoreError: there is no store.
        """
        if self.states is None:
            raise StoreError("a training without a store has no states to rebuild; give it a store")
        key, later = self.chain.keys[epoch], self.position()
        if later is not None:
            self._compare(self.states.manifest(later.key))
        start = self._stand(self.position(epoch), before=epoch)
        for segment in self.chain.schedule.segments:
            if start < segment.end and segment.start < epoch:
                self.at = None
                start = self._train(max(start, segment.start), min(segment.end, epoch))
        self.wait_for_writer()
        if not self.states.promote_snapshot(key):
            raise DamagedError(f"{self.states.folder(key)}: is not intact after it was trained again")
        self.at = key
        self.states.drop_snapshots(superseded_snapshots(self.chain, self.states, epoch))
        if later is not None and later.epoch >= epoch and not is_prefix_of(self.states, key, later.key):
            self.states.remove(key)
            raise MismatchError(f"the state after epoch {epoch} has another history than {later.key}, trained again")

    def _stand(self, position: Position | None, before: int | None = None) -> int:
        """Load a state into the live objects, or an earlier one if it is damaged; return its epoch."""
        while position is not None:
            if self.at == position.key:
                return position.epoch
            try:
                self._load(position)
                return position.epoch
            except DamagedError as error:
                self._quarantine(position.key, error)  # guard: damaged-state-passed-over
                position = self.position(before)
        if self.at is None or (self.states is not None and self.at != self.chain.keys[0]):
            raise DamagedError(
                "no intact state is left in the store, and the model in memory has trained past it; start the training "
                "again"
            )
        if self.states is not None:
            self._save(0)
        return self.chain.keys.index(self.at)

    def _quarantine(self, key: str, error: DamagedError) -> None:
        assert self.states is not None
        # guard: older-state-reported
        self.trainer.note(f"{error}; the state is quarantined and the training resumes from the one before it")
        self.states.quarantine(key)

    def _train(self, start: int, end: int) -> int:
        """Train the epochs `[start, end)`, or fewer if a callback stops the training; return the epoch reached."""
        try:
            self._use_prefix(start, end)
            for epoch in range(start, end):
                self._epoch(epoch)
                if self.trainer.model.stop_training:
                    return epoch + 1
        except BaseException:
            # A retry looks for the furthest state on disk, so no state may still be being written then.
            with contextlib.suppress(Exception):
                self.wait_for_writer()
            raise
        return end

    def _use_prefix(self, start: int, end: int) -> None:
        """Let the trainer train on the activation cache of the frozen prefix, if there is one that saves time."""
        trainer, schedule = self.trainer, self.chain.schedule
        trainer.prefix = None
        apply_epoch(trainer.masks, schedule, start, rate=False)
        trainer.prefix = self._prefixes.for_segment(schedule.frozen(start), end - start)

    def _prefix_done(self, done: int, rows: int) -> None:
        self.trainer.steps.stop.halt()  # guard: stop-while-activations-computed
        for observer in self.trainer.observers:
            observer.on_activations(done, rows)

    def _epoch(self, epoch: int) -> None:
        began, trainer = time.perf_counter(), self.trainer
        apply_epoch(trainer.masks, self.chain.schedule, epoch, rate=not trainer.step)
        try:
            if self.snapshot_steps is None:
                logs = trainer.run_epoch(epoch)
            else:
                # guard: snapshot-every-n-steps
                logs = trainer.run_epoch(epoch, lambda: self._after_step(epoch), self.snapshot_steps)
        except Interrupted:
            if trainer.step:  # guard: steps-saved-on-stop
                self._save(epoch)
            else:
                self.wait_for_writer()
            raise
        self._save(epoch + 1, in_background=True)
        for observer in trainer.observers:
            observer.on_epoch(epoch, logs, time.perf_counter() - began)

    def _after_step(self, epoch: int) -> None:
        assert self.snapshot_steps is not None
        trainer = self.trainer
        if trainer.step % self.snapshot_steps:
            return
        # After the last step the snapshot of the whole epoch follows at once, unless there is a validation before it.
        if trainer.step < len(trainer.sequencer) or trainer.validation is not None:
            self._save(epoch, in_background=True)

    def _save(self, epoch: int, *, in_background: bool = False) -> None:
        if self._writer is not None:
            metadata = {
                "found": self._digests,
                "environment": environment.current_environment(self.trainer.model),
                # See docs/decisions/0023-environment-changes-recorded-in-states.md.
                "environment_changes": [change.model_dump(mode="json") for change in self.environment_changes],
            }
            self._writer.write(self.trainer.capture(epoch), metadata, in_background=in_background)

    def _load(self, position: Position) -> None:
        if self.states is None:
            raise StoreError("a training without a store can't be resumed; start it again, or give it a store")
        manifest = self.states.manifest(position.key)
        self._compare(manifest)
        if self.trainer.non_finite == "stop":
            check_history(manifest["history"])
        state = self.states.read(position.key)
        self.at = None
        self.trainer.restore(state)
        self.at = position.key

    def _compare(self, manifest: dict[str, Any]) -> None:
        digests, here = self._digests, environment.current_environment(self.trainer.model)
        data_digests.check_digests(
            manifest, digests, "data", "validation"
        )  # guard: data-changed, validation-data-changed
        self.environment_changes = environment.check_environment(
            manifest, here, self.allow_environment_change, self.trainer.note
        )
        # Another Keras version may draw other initial values; where that is allowed, training uses the state's values.
        if not any(environment.environment_differences(manifest["environment"], here)):
            data_digests.check_digests(manifest, digests, "initial")  # guard: initial-values-changed
