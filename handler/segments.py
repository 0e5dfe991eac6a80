"""Walks the segments of a training along its chain of states.

The flow and `DLTrainingHandler.fit` both walk with this. One rule covers retry, resumption, caching and sharing:
look for the furthest intact state of the chain on disk; go on from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from handler import environment
from handler.chain import Chain, Position, furthest
from handler.engine.trainer import Trainer
from handler.errors import DamagedError, Interrupted, MismatchError, StoreError
from handler.executor import set_segment
from handler.observe import Observer
from handler.record import SegmentRecord, Source
from handler.schedule import Segment
from handler.store import StateStore


class SegmentWalk:
    """Trains the segments of one chain; what is on disk is not trained again.

    Args:
        chain: the keys.
        states: where states are kept; None keeps none (then segments must be walked in order).
        live: gives the trainer, built when it is first needed.
        found: digests of what was found (arrays, initial variables), compared with those of a state before it is used.
        allow_environment_change: go on from states made in another environment.
        observers: told what happens.
    """

    def __init__(
        self,
        chain: Chain,
        states: StateStore | None,
        live: Callable[[], Trainer],
        *,
        found: Callable[[], dict[str, Any]] = dict,
        allow_environment_change: bool = False,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.chain, self.states, self._live, self._found = chain, states, live, found
        self.allow_environment_change = allow_environment_change
        self.observers = observers
        # The key the live objects stand at; None after a failed attempt: they are loaded from disk then.
        self.at: str | None = chain.keys[0]
        self._ends = {0, *(segment.end for segment in chain.schedule.segments)}

    def position(self) -> Position | None:
        """Where the chain on disk stands."""
        return furthest(self.chain, self.states) if self.states else None

    def run(self, segment: Segment) -> SegmentRecord:
        """Sees to it that the state at a segment's end is there.

        Raises:
            Interrupted: a stop was asked for; the state is saved.
            MismatchError: what was found, or the environment, isn't what the state on disk was made with.
        """
        began = time.perf_counter()
        position = self.position()
        if position is not None and (position.epoch >= segment.end or position.stopped):
            end = min(segment.end, position.epoch)
            if self.states is not None and end == position.epoch:
                self.states.keep(position.key)
            return self._tell(
                self._record(segment, end, "cached", 0, began, position.stopped and end == position.epoch)
            )
        trainer = self._live()
        start = self._stand(trainer, position)
        self.at = None
        source: Source = "resumed" if start > segment.start or trainer.step else "trained"
        for observer in self.observers:
            observer.on_segment_begin(segment, start, len(trainer.sequencer))
        done = 0
        for epoch in range(start, segment.end):
            self._epoch(trainer, epoch)
            done += 1
            if trainer.model.stop_training:
                break
        end = start + done
        self.at = self.chain.keys[end]
        return self._tell(self._record(segment, end, source, done, began, bool(trainer.model.stop_training)))

    def stand_at_end(self, epoch: int) -> Trainer:
        """The trainer, standing at the state after `epoch` epochs: loaded if the live objects are elsewhere, trained
        again if it turns out to be damaged.
        """
        trainer, key = self._live(), self.chain.keys[epoch]
        if self.at != key:
            try:
                self._load(trainer, Position(key, epoch))
            except DamagedError as error:
                self._set_aside(key, error)
                for segment in self.chain.schedule.segments:
                    self.run(segment)
        self.at = None  # what is done with it now leaves the chain
        return trainer

    def _stand(self, trainer: Trainer, position: Position | None) -> int:
        """Brings the live objects to the furthest state, and returns its epoch."""
        while position is not None:
            if self.at == position.key:
                return position.epoch
            try:
                self._load(trainer, position)
                return position.epoch
            except DamagedError as error:
                self._set_aside(position.key, error)
                position = self.position()
        if self.at is None or (self.states is not None and self.at != self.chain.keys[0]):
            raise DamagedError(
                "no state of this training is intact on disk, and the live one has gone on; start it again"
            )
        if self.states is not None:
            self._save(trainer, 0)
        return self.chain.keys.index(self.at)

    def _set_aside(self, key: str, error: DamagedError) -> None:
        assert self.states is not None
        self._note(f"{error}; it is set aside and the training goes on from the state before it")
        self.states.set_aside(key)

    def _epoch(self, trainer: Trainer, epoch: int) -> None:
        began = time.perf_counter()
        set_segment(trainer.masks, self.chain.schedule, epoch, rate=not trainer.step)
        try:
            logs = trainer.run_epoch(epoch)
        except Interrupted:
            if trainer.step and self.states is not None:
                self._save(trainer, epoch)
            raise
        self._save(trainer, epoch + 1)
        for observer in self.observers:
            observer.on_epoch(epoch, logs, time.perf_counter() - began)

    def _save(self, trainer: Trainer, epoch: int) -> None:
        """Writes the state as of now; drops the snapshots it makes needless."""
        if self.states is None:
            return
        state = trainer.capture(epoch)
        keys = self.chain.keys
        kept = (epoch in self._ends and not state.step) or state.stopped
        before = max(e for e in self._ends if e <= epoch and (e < epoch or state.step or not epoch))
        name = self.chain.within(epoch, state.step) if state.step else keys[epoch]
        about = {"found": self._found(), "environment": environment.current(trainer.model)}
        self.states.write(
            name, state, parent=keys[before] if before < epoch or state.step else None, snapshot=not kept, about=about
        )
        # The last two stay: the newest may turn out to be damaged.
        needless = range(before + 1, epoch if kept else epoch - 1)
        self.states.drop_snapshots(
            [
                *(keys[e] for e in needless),
                *(n for e in range(before + 1, epoch + 1) for _, n in self.states.within(keys[e])),
            ]
        )

    def _load(self, trainer: Trainer, position: Position) -> None:
        if self.states is None:
            raise StoreError("a training without a store can't be taken up again; start it again, or give it a store")
        manifest = self.states.manifest(position.key)
        self._compare(position.key, manifest, trainer)
        state = self.states.read(position.key)
        self.at = None
        trainer.restore(state)
        self.at = position.key

    def _compare(self, key: str, manifest: dict[str, Any], trainer: Trainer) -> None:
        found = self._found()
        for name in sorted({*manifest["found"], *found}):
            stored, now = manifest["found"].get(name), found.get(name)
            if stored != now:
                raise MismatchError(
                    f"{name}: state {key} was trained with {stored}, now {now} was found; restore it, or declare the "
                    "change (data.version for data) so that a new training begins"
                )
        environment.compare(
            manifest["environment"], environment.current(trainer.model), self.allow_environment_change, self._note
        )

    def _record(
        self, segment: Segment, end: int, source: Source, done: int, began: float, stopped: bool
    ) -> SegmentRecord:
        return SegmentRecord(
            index=segment.index,
            start=segment.start,
            end=end,
            state=self.chain.keys[end],
            source=source,
            trained_epochs=done,
            seconds=round(time.perf_counter() - began, 3),
            frozen=list(segment.frozen),
            learning_rate=segment.learning_rate,
            stopped=stopped,
        )

    def _tell(self, record: SegmentRecord) -> SegmentRecord:
        for observer in self.observers:
            observer.on_segment_end(record)
        return record

    def _note(self, text: str) -> None:
        for observer in self.observers:
            observer.on_note(text)
