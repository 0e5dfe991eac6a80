"""The state writer: writes segment-end states synchronously and snapshots in a background thread.

At most one snapshot is being written at a time. The newest two stay on disk, because one may still be being written
or may turn out to be damaged. The state at a segment's end is durable before the next segment begins; the snapshots
that it makes superfluous are removed then.
"""

import contextlib
import threading
from typing import Any

from handler.state.chain import Chain, superseded_snapshots
from handler.store.states import StateStore
from handler.store.training_state import TrainingState

SNAPSHOTS_KEPT = 2


class StateWriter:
    """The writer of one chain's states in a store. Only one thread may use it."""

    def __init__(self, chain: Chain, states: StateStore) -> None:
        self.chain, self.states = chain, states
        self._writing: threading.Thread | None = None
        self._failure: BaseException | None = None

    def write(self, state: TrainingState, metadata: dict[str, Any], *, in_background: bool = False) -> None:
        """Write a state under its name in the chain.

        Args:
            state: the state; the caller must not change its arrays afterwards.
            metadata: further entries of its manifest.
            in_background: write a snapshot in the background, after waiting for the one before. The state at a
                segment's end, or of a training that a callback stopped, is always written synchronously.

        Raises:
            StoreError: the disk refuses this state, or, for a background write, refused the snapshot before it.
        """
        kept = (state.epoch in self.chain.ends and not state.step) or state.stopped
        if in_background and not kept:  # guard: segment-end-written-at-once
            self.finish()  # guard: one-snapshot-at-a-time
            self._writing = threading.Thread(target=self._write_in_background, args=(state, metadata), name="snapshot")
            self._writing.start()
            return
        with contextlib.suppress(Exception):  # this state replaces the snapshot, so that one's failure does not matter
            self.finish()
        self._write(state, metadata, kept)

    def finish(self) -> None:
        """Wait for the snapshot that is being written.

        Raises:
            StoreError: the disk refused it.
        """
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _write_in_background(self, state: TrainingState, metadata: dict[str, Any]) -> None:
        try:
            self._write(state, metadata, kept=False)
        except BaseException as error:  # `finish` raises it in the training thread
            self._failure = error  # guard: failed-snapshot-reported

    def _write(self, state: TrainingState, metadata: dict[str, Any], kept: bool) -> None:
        keys, epoch = self.chain.keys, state.epoch
        start = self.chain.segment_start(epoch, state.step)  # equal variables are stored as references to this state
        parent = keys[start] if start < epoch or state.step else None
        name = self.chain.step_key(epoch, state.step) if state.step else keys[epoch]
        self.states.write(name, state, parent=parent, snapshot=not kept, metadata=metadata)
        needless = superseded_snapshots(self.chain, self.states, epoch, state.step)
        self.states.drop_snapshots(needless if kept else needless[: 1 - SNAPSHOTS_KEPT])  # guard: two-snapshots-kept
