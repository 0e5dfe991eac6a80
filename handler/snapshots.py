"""Writes the states of a chain as they come: those at segment ends at once, those inside behind the training.

A snapshot is written by a thread of its own, at most one behind; the newest two stay on disk, since one may be in the
writing or turn out to be damaged. The state at a segment's end is durable before the next segment begins, and the
snapshots it makes needless go then.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from handler.chain import Chain, snapshots_behind
from handler.state import TrainingState
from handler.store import StateStore

KEPT = 2


class StateWriter:
    """Writes states of one chain into a store.

    Args:
        chain: the keys.
        states: where they are written.
    """

    def __init__(self, chain: Chain, states: StateStore) -> None:
        self.chain, self.states = chain, states
        self._writing: threading.Thread | None = None
        self._failure: BaseException | None = None

    def write(self, state: TrainingState, about: dict[str, Any], *, behind: bool = False) -> None:
        """Writes a state under its name in the chain.

        Args:
            state: a copy of everything, not changed any more by the caller.
            about: what else its manifest says.
            behind: write a snapshot behind the training, after waiting for the one before. The state of a segment's
                end, or of a training that was stopped, is always written at once.

        Raises:
            StoreError: the disk refuses this state, or refused the snapshot before it.
        """
        kept = (state.epoch in self.chain.ends and not state.step) or state.stopped
        if behind and not kept:
            self.finish()
            self._writing = threading.Thread(target=self._write_behind, args=(state, about), name="snapshot")
            self._writing.start()
            return
        with contextlib.suppress(Exception):  # what the snapshot before would have kept is in this one
            self.finish()
        self._write(state, about, kept)

    def finish(self) -> None:
        """Waits for the snapshot that is being written.

        Raises:
            StoreError: the disk refused it.
        """
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _write_behind(self, state: TrainingState, about: dict[str, Any]) -> None:
        try:
            self._write(state, about, kept=False)
        except BaseException as error:  # told in the thread that trains
            self._failure = error

    def _write(self, state: TrainingState, about: dict[str, Any], kept: bool) -> None:
        keys, epoch = self.chain.keys, state.epoch
        start = self.chain.segment_start(epoch, state.step)  # its equal variables are referred to
        parent = keys[start] if start < epoch or state.step else None
        name = self.chain.within(epoch, state.step) if state.step else keys[epoch]
        self.states.write(name, state, parent=parent, snapshot=not kept, about=about)
        needless = snapshots_behind(self.chain, self.states, epoch, state.step)
        self.states.drop_snapshots(needless if kept else needless[: 1 - KEPT])
