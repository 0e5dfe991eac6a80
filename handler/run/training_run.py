"""One training described by a specification, in one store, stage by stage. The Prefect tasks call its stages.

The live objects (network, data, optimizer) are built when a stage first needs them: a segment whose state is cached
needs neither TensorFlow nor the data. A stage may be called again after a failure, in this process or another; it
resumes from the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from handler.backend import tensorflow_setup
from handler.engine.finite_check import check_history
from handler.engine.history import to_table
from handler.errors import MismatchError, StoreError
from handler.errors.secrets import masked
from handler.memory import enough_memory
from handler.observer import Observer
from handler.records import Plan, RunRecord, SegmentRecord
from handler.run.divergence import describe_divergence, refuse_again
from handler.run.inputs import RunInputs
from handler.run.planner import RunPlanner
from handler.run.replaced_run import ReplacedRun
from handler.spec.reader import dump_spec
from handler.state.chain import Position, latest_intact
from handler.state.completion import Completion, find_completion, use_completed
from handler.state.missing_states import describe_missing_states
from handler.stop_flag import stop
from handler.store.atomic_dirs import drop_unneeded
from handler.store.atomic_files import write_file
from handler.store.failure_log import log_failure
from handler.store.record_writer import RecordWriter, now
from handler.store.store import Store
from handler.training.run_record import describe_reached
from handler.user_code.boundary import UserCode
from handler.user_code.tracebacks import describe_for_record

if TYPE_CHECKING:
    from handler.run.components import RunComponents


class TrainingRun:
    """One training, in one store.

    The stages are `plan`, `begin`, `pre_fit`, `backup`, `train_segment` for each segment, `restore`, `post_fit`,
    `report` and `mark_completed`; `mark_failed` or `mark_interrupted` ends a run early.

    Attributes:
        inputs: the run's inputs.
        store: the store.
        observers: notified of the training's progress; add to the list before a stage is called.
        output_folder: the folder below which callbacks write their files.
        final_record: the record that this process last ended the run with (completed, interrupted or failed), or None.

    Example:
        >>> from handler.run import RunInputs
        >>> from handler.spec import parse_spec
        >>> spec = parse_spec({
        ...     "data": {"source": "synthetic", "args": {
        ...         "classes": {"ground": [2], "building": [6]},
        ...         "receptive_fields": {"points": 32, "count": 8},
        ...         "scene": {"tiles": 1, "size": 20.0, "density": 2.0},
        ...     }},
        ...     "model": {"architecture": "pointnet", "args": {"encoder": [4], "bottleneck": [4], "decoder": [4]}},
        ...     "training": {"epochs": 2, "batch_size": 4},
        ... })
        >>> run = TrainingRun(RunInputs(spec=spec, folder=".", store="store", name="first-try"))
        >>> [(segment.start, segment.end, segment.cached) for segment in run.plan().segments]
        [(0, 2, False)]
    """

    _current: ClassVar[TrainingRun | None] = None

    def __init__(self, inputs: RunInputs) -> None:
        self.inputs = inputs
        self.spec, self.folder = inputs.spec, Path(inputs.folder)
        self.store = Store(inputs.store)
        self.output_folder = self.store.runs.folder(inputs.name)  # raises SpecError for an invalid name
        self.planning = RunPlanner(self.spec, self.folder, self.store, inputs.name)
        self.observers: list[Observer] = []
        self.final_record: RunRecord | None = None
        self._seconds: dict[str, float] = {}
        self._writer = RecordWriter(self.store.runs, inputs.name)
        self._replaced: ReplacedRun | None = None
        self._live: RunComponents | None = None

    @classmethod
    def of(cls, inputs: RunInputs) -> TrainingRun:
        """Return this process's instance for these inputs.

        The process keeps one instance at a time, so that live objects do not pile up.
        """
        if cls._current is None or cls._current.inputs != inputs:
            cls._current = cls(inputs)
        return cls._current

    def plan(self) -> Plan:
        """Return the plan: the segments, and which of them are cached.

        It loads TensorFlow only if the store holds no description of the network.
        """
        with self._timed("plan"):
            return self.planning.plan()

    def completed_record(self) -> RunRecord | None:
        """Return the complete record if nothing is left to do, None otherwise. Loads neither TensorFlow nor the data.

        The observers are notified of each segment as cached. Damaged states that no training needs become notes.

        Raises:
            NonFiniteError: the run was trained past a loss or a metric that is not finite; the record stays unchanged.
        """
        record = self.planning.record()
        if record is None or record.status != "completed":
            return None
        if self.planning.stored_outline is None or record.key != self.planning.key:
            return None
        # guard: results-made-again
        if not {record.model, record.report} <= record.files.keys() or self.store.runs.damages(self.inputs.name):
            return None
        plan = self.planning.plan()
        if record.state != plan.state or not all(segment.cached for segment in plan.segments):
            return None
        if [(s.start, s.end, s.state) for s in record.plan] != [(s.start, s.end, s.state) for s in plan.segments]:
            return None
        if self.spec.training.non_finite == "stop":
            check_history(self.store.states.manifest(record.state)["history"] if record.state else {})
        schedule, states = self.planning.schedule, self.store.states
        cached = [use_completed(self.planning.chain, states, schedule.segments[s.index]) for s in plan.segments]
        segments = [segment for segment in cached if segment is not None]
        if len(segments) < len(cached):
            return None  # another process has just removed a state
        furthest = latest_intact(self.planning.chain.keys, states)
        for hole in describe_missing_states(self.planning.chain, states, furthest):
            self.note(hole)
        for segment in segments:
            for observer in self.observers:
                observer.on_segment_end(segment)
        return record.model_copy(update={"segments": segments})

    def find_completion(self, index: int) -> Completion | None:
        """Return the state that satisfies a segment; None if epochs of it must be trained."""
        return find_completion(self.planning.chain, self.store.states, self.planning.schedule.segments[index])

    def begin(self, plan: Plan, started_by: str | None = None) -> RunRecord:
        """Write the run's specification and its record with the status `running`.

        It also removes the temporary files of writers that were killed. `started_by` is the id of the flow run.
        """
        self.store.remove_stale_files()  # guard: leftovers-removed-at-start
        began, position = now(), latest_intact(self.planning.chain.keys, self.store.states)
        self._replaced = ReplacedRun.of(self.store.runs, self.inputs.name, self.planning.record(), plan.key, position)
        record = RunRecord(
            run=self.inputs.name,
            status="running",
            key=plan.key,
            seed=self.spec.seed,
            training_epochs=plan.epochs,
            layers=plan.layers,
            initial_weights=plan.initial_weights,
            plan=plan.segments,
            chain=list(self.planning.chain.keys),
            declared=self.planning.declared,
            sources=self.planning.sources,
            spec_folder=self.inputs.folder,
            started_by=started_by,
            updated=began,
            spec=self.spec.model_dump(mode="json", by_alias=True),
            **self._replaced.fields_for_new_record(began),
        )
        for text in [*plan.warnings, *([plan.initial_weights.text] if plan.initial_weights else [])]:
            self.note(text)
        self._writer.begin(record)  # first: the record holds no digests of the other files until the run is complete
        write_file(self.store.runs.folder(self.inputs.name) / "spec.yaml", dump_spec(self.spec).encode())
        return record

    def pre_fit(self) -> dict[str, Any]:
        """Load the data and compute the architecture's structure from it; later calls read both from the store.

        Returns:
            `dataset` (a description), `prefit` (keys of the cached results), `structure` (name -> shape) and `found`
            (digests of the data and of the initial variables).

        Raises:
            NonFiniteError: an earlier attempt with the same keys has diverged.
        """
        if self.spec.training.non_finite == "stop" and not self.inputs.allow_environment_change:
            refuse_again(self._writer.read(), self.planning.chain.keys)
        with self._timed("pre-fit"):
            described = self.live.pre_fit()
        self._writer.change(dataset=described["dataset"], prefit=described["prefit"])
        return described

    def needs_backup(self) -> bool:
        """Return whether the training rearranges X and y in place. Loads the live objects."""
        return self.live.needs_backup()

    def backup(self) -> dict[str, Any] | None:
        """Back X and y up and return the backup's `digest` and `path`; None if the training does not rearrange them."""
        with self._timed("backup"):
            path = self.live.backup()
        return None if path is None else {"digest": path.stem, "path": str(path)}

    def train_segment(self, index: int) -> SegmentRecord:
        """Return the record of a segment: from a cached state, or trained from the furthest intact state on disk.

        Raises:
            Interrupted: a stop was requested; the state is saved.
        """
        segment = self.planning.schedule.segments[index]
        with self._timed("fit"):
            record = use_completed(self.planning.chain, self.store.states, segment, self.observers)
            if record is None:
                record = self.live.runner.run(segment)
        done = [s for s in self._writer.read().segments if s.index < index]
        end = None if record.source == "cached" else Position(record.state, record.end, stopped=record.stopped)
        self._writer.change(segments=[*done, record], **self._reached(end), at_once=False)
        return record

    def restore(self) -> dict[str, Any] | None:
        """Write the backup back into X and y and return its `path`; None if this process holds no backed-up X and y."""
        if self._live is None or self._live.backed_up is None:
            return None
        with self._timed("restore"):
            self._live.restore()
        return {"path": str(self._live.backed_up)}

    def post_fit(self) -> dict[str, Any]:
        """Make the final model (with the best or EMA weights where configured), save it and evaluate it.

        Returns:
            `weights`, `final_is_state`, `model`, `history`, `validation`, `state`, `epochs`, `stopped`.

        Raises:
            MismatchError: the store lacks the state at the training's end.
        """
        position = self._final_position()
        with self._timed("post-fit"):
            folder = self.store.runs.folder(self.inputs.name)
            final = self.live.finish(position, folder)
        results = {name: final[name] for name in ("weights", "model", "validation", "final_is_state")}
        described = self.live.pre_fit()  # not yet recorded if no segment had to be trained
        about_data = {name: described[name] for name in ("dataset", "prefit")}
        self._writer.change(**results, **about_data, **self._reached())
        return {**final, "state": position.key, "epochs": position.epoch, "stopped": position.stopped}

    def report(self) -> str:
        """Write the report page and `history.csv`; return the page's path."""
        from handler.report.page import write_report

        folder = self.store.runs.folder(self.inputs.name)
        record = self._writer.change(report="report.html")
        write_file(folder / "history.csv", to_table(record.history).encode())
        return str(write_report(record.model_copy(update={"status": "completed", "seconds": self._seconds}), folder))

    def mark_completed(self) -> RunRecord:
        """Mark the run as completed, store the digests of its files, and remove the backups that no process uses."""
        drop_unneeded(*self.store.backups.glob("*.zarr"))
        return self._end(status="completed", error=None, replaces=None, files=self.store.runs.digests(self.inputs.name))

    def mark_failed(self, error: BaseException) -> None:
        """Mark the run as failed with the error; restore the previous record if the failure leaves the run unchanged.

        A store that cannot be written to at this point must not hide the error, so its own errors are dropped.
        """
        with suppress(StoreError, OSError):
            position = latest_intact(self.planning.chain.keys, self.store.states)
            # guard: completed-run-returned
            if self._replaced is not None and self._replaced.should_restore_after(error, position):
                self._writer.forget()
                self._replaced.restore_files(self.store.runs)
                return
        log_failure(self.store.runs.folder(self.inputs.name), error)
        with suppress(StoreError):
            ended = describe_divergence(error, self.planning.chain.keys)
            kept = {} if ended is None else {"divergence": ended, **self._reached()}
            self._end(status="failed", error=describe_for_record(error), **kept)

    def mark_interrupted(self, error: BaseException | str) -> None:
        """Mark the run as interrupted; errors of a store that cannot be written to are dropped."""
        with suppress(StoreError):
            self._end(status="interrupted", error=masked(str(error)), stopped_by=stop.reason or None, **self._reached())

    @contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the run's lock: one writer per run.

        Args:
            wait: wait for another process that is running it; the observers are notified of the wait.

        Raises:
            BusyError: another process holds the lock.
            Interrupted: a stop was requested while waiting.
        """
        with self.store.runs.lock(self.inputs.name, wait=wait, waiting=self._notify_observers):
            self._writer.has_lock, self.final_record = True, None
            try:
                yield
            finally:
                self._writer.release()

    @property
    def has_lock(self) -> bool:
        """True if this process holds the run's lock."""
        return self._writer.has_lock

    @property
    def notes(self) -> list[str]:
        """The notes of this attempt, for the user."""
        return list(self._writer.notes)

    def note(self, text: str) -> None:
        """Add a note to the run's record and notify the observers; a repeated note is dropped."""
        text = masked(text)
        if text not in self._writer.notes:
            self._writer.notes.append(text)
            self._notify_observers(text)

    @property
    def live(self) -> RunComponents:
        """The live objects: network, data, trainer; built at the first call. Loads TensorFlow."""
        if self._live is None:
            tensorflow_setup.prepare(self.planning.threads, strategy=self.spec.training.strategy)
            from handler.run.components import RunComponents

            self._live = RunComponents(self)
        return self._live

    def _notify_observers(self, text: str) -> None:
        for observer in self.observers:
            observer.on_message(text)

    def _final_position(self) -> Position:
        """Return the state that the training ends with."""
        chain, states, segments = self.planning.chain, self.store.states, self.planning.schedule.segments
        done = find_completion(chain, states, segments[-1])
        if done is None:
            position = latest_intact(chain.keys, states)
            raise MismatchError(
                f"run {self.inputs.name!r}: post-fit needs the final state, the store has states up to "
                f"epoch {position.epoch if position else 'none'}; train the segments first"
            )
        return Position(done.state, done.end, stopped=done.stopped)

    def _reached(self, position: Position | None = None) -> dict[str, Any]:
        """Return the record's fields for the furthest state on disk, or for the state that has just been trained."""
        fields = describe_reached(self.planning.chain.keys, self.store.states, position)
        # This process may have compared a loaded state with an environment in which it has not yet written a state.
        walked = [] if self._live is None else self._live.environment_changes
        return {**fields, "environment_changes": walked} if fields and walked else fields

    def _end(self, **changes: Any) -> RunRecord:
        if self._live is not None:
            self._live.drop_backup()
        self.final_record = self._writer.change(**changes, seconds=dict(self._seconds))
        return self.final_record

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            with enough_memory(stage), UserCode(self.folder):
                yield
        finally:
            self._seconds[stage] = round(self._seconds.get(stage, 0.0) + time.perf_counter() - began, 3)
