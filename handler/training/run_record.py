"""The record of a training on live objects: `runs/<name>/run.json`, like that of any other run."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handler.engine.history import from_json
from handler.errors import DamagedError, FrostlineError, Interrupted, SpecError, StoreError
from handler.fingerprint import environment
from handler.observer import Observer
from handler.records import EnvironmentChange, RunRecord, SegmentRecord
from handler.schedule.layer_outline import Outline
from handler.state.chain import Chain, Position, latest_with_manifest
from handler.state.keras_state import weights_digest
from handler.store.states import StateStore
from handler.store.store import Store
from handler.user_code.tracebacks import describe_for_record


class NotebookRun(Observer):
    """The record of a training on live objects, updated while it trains.

    The run's lock shows other processes that it is running.

    Args:
        store: the store.
        name: the run's name; None: `notebook-` and the first 8 digits of its key.
        chain: the training's keys.
        mh: the model handler, compiled.
        layers: the network's layers.

    Raises:
        SpecError: the name is invalid, or belongs to a run of a specification.
    """

    def __init__(self, store: Store, name: str | None, chain: Chain, mh: Any, layers: Outline) -> None:
        self.store, self.chain, self.mh = store, chain, mh
        self.name = name or f"notebook-{chain.start[:8]}"
        store.runs.folder(self.name)  # raises SpecError for an invalid name
        self.before = before = self._before()
        same = before is not None and before.key == chain.start
        now = _now()
        self.record = RunRecord(
            run=self.name,
            status="running",
            key=chain.start,
            seed=getattr(mh, "seed", 0),
            training_epochs=chain.schedule.training_epochs,
            layers=layers.to_json()["layers"],
            chain=list(chain.keys),
            environment=environment.current_environment(mh.compiled),
            started=before.started if before is not None and same else now,
            updated=now,
            spec_folder=str(Path.cwd()),
        )

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Hold the run's lock, and write the run's final status at the end.

        Raises:
            BusyError: another process is running the run.
        """
        began = time.perf_counter()
        with self.store.runs.lock(self.name):
            self.store.runs.write(self.record)
            try:
                yield
            except BaseException as error:
                if self.before is not None and isinstance(error, FrostlineError) and error.exit_code == 2:
                    self.store.runs.write(self.before)  # a refused training leaves the earlier record
                    raise
                stopped = isinstance(error, KeyboardInterrupt | Interrupted)
                with suppress(StoreError):  # a StoreError must not hide the error
                    self._change(
                        status="interrupted" if stopped else "failed",
                        error=describe_for_record(error),
                        stopped_by="SIGINT" if stopped else None,
                        seconds={"fit": round(time.perf_counter() - began, 3)},
                        **describe_reached(self.chain.keys, self.store.states),
                    )
                raise
            self._change(
                status="completed",
                weights=weights_digest(self.mh.compiled),
                seconds={"fit": round(time.perf_counter() - began, 3)},
                **describe_reached(self.chain.keys, self.store.states),
            )

    def on_segment_end(self, record: SegmentRecord) -> None:
        """Write the segment into the record."""
        segments = [segment for segment in self.record.segments if segment.index != record.index]
        self._change(segments=[*segments, record])

    def on_message(self, text: str) -> None:
        """Add the note to the record, which is written at the next change."""
        if text not in self.record.notes:
            self.record = self.record.model_copy(update={"notes": [*self.record.notes, text]})

    def _before(self) -> RunRecord | None:
        try:
            record = self.store.runs.read(self.name)
        except (SpecError, DamagedError):
            return None
        if not record.is_of_live_objects:  # guard: name-of-a-specification
            raise SpecError("name", f"{self.name!r} is a run from a specification in this store; give another name")
        return record

    def _change(self, **changes: Any) -> None:
        self.record = self.record.model_copy(update={**changes, "updated": _now()})
        self.store.runs.write(self.record)


def describe_reached(keys: Sequence[str], states: StateStore, position: Position | None = None) -> dict[str, Any]:
    """Return the fields of a run's record that describe the state which its training has reached.

    Args:
        keys: the training's keys.
        states: the store's states.
        position: the state that has just been trained; None: the furthest intact state on disk.

    Returns:
        Fields of a `RunRecord`; none if the store has no intact state of the training.
    """
    if position is None:
        latest = latest_with_manifest(keys, states)
        if latest is None:
            return {}
        position, manifest = latest
    else:
        manifest = states.manifest(position.key)
    return {
        "state": position.key,
        "environment_changes": [EnvironmentChange(**change) for change in manifest.get("environment_changes", [])],
        "epochs": position.epoch,
        "stopped": position.stopped,
        "history": from_json(manifest["history"], manifest["epoch"]),
        "environment": manifest["environment"],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
