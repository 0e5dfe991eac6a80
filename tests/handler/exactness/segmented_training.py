"""One uninterrupted training, and resumptions from each of its states, in a network with other initial weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from handler.engine.sequencer import DLSequencer
from handler.engine.trainer import Trainer
from handler.freezing.executor import apply_epoch
from handler.freezing.model_outline import outline
from handler.observer import Observer
from handler.schedule.schedule import Schedule, compute_schedule
from handler.store.training_state import TrainingState

Arrays = dict[str, np.ndarray]


def examples(shape: Sequence[int] = (4,), count: int = 60, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return X (count, *shape) float32 and y (count,) int64."""
    X = np.random.default_rng(3).normal(size=(count, *shape)).astype("float32")
    return X, X.reshape(count, -1)[:, :classes].argmax(axis=1).astype("int64")


class SegmentedTraining(Observer):
    """A training under a schedule, with four steps per epoch; it keeps its states.

    Args:
        network: a function that makes the compiled network from a seed for its initial weights.
        entries: the freeze-training entries.
        data: X and y.
        epochs: the number of epochs.
        within: also keep the state after this number of steps of each epoch.
        validate: evaluate after each epoch.
    """

    def __init__(
        self,
        network: Callable[[int], keras.Model],
        entries: Any,
        data: tuple[np.ndarray, np.ndarray] | None = None,
        *,
        epochs: int = 4,
        within: int = 3,
        validate: bool = False,
    ) -> None:
        self.network, self.entries, self.epochs, self.within = network, entries, epochs, within
        self.validate = validate
        self.data = examples() if data is None else data
        self.states: dict[tuple[int, int], TrainingState] = {}
        self.whole = self.trainer(seed=1)
        self.schedule: Schedule = compute_schedule(entries, epochs, outline(self.whole.model))
        self.states[0, 0] = self.whole.capture(0)
        self.whole.observers = [self]
        self.run(self.whole, 0, keep=True)

    def trainer(self, seed: int) -> Trainer:
        """Return a new trainer of a new network."""
        X, y = self.data
        validation = DLSequencer(X[:20], y[:20], 16, shuffle=False) if self.validate else None
        return Trainer(self.network(seed), DLSequencer(X, y, 16, seed=5), epochs=self.epochs, validation=validation)

    def run(self, trainer: Trainer, start: int, *, keep: bool = False) -> None:
        """Train from an epoch to the end."""
        for epoch in range(start, self.epochs):
            apply_epoch(trainer.masks, self.schedule, epoch, rate=not trainer.step)
            trainer.run_epoch(epoch)
            if keep:
                self.states[epoch + 1, 0] = trainer.capture(epoch + 1)

    def on_step(self, epoch: int, step: int, steps: int, logs: Any) -> None:
        if step == self.within:
            self.states[epoch, step] = self.whole.capture(epoch)

    @property
    def end(self) -> TrainingState:
        """Return the final state of the uninterrupted training."""
        return self.states[self.epochs, 0]

    def resumed_from_each(self) -> list[tuple[int, int]]:
        """Resume from every state in a second network, and compare the final states; return the resumed places."""
        again = self.trainer(seed=99)
        assert self.differing(again.capture(0), self.states[0, 0]), "the other network begins elsewhere"
        places = [place for place in self.states if place != (self.epochs, 0)]
        for place in places:
            again.restore(self.states[place])
            self.run(again, place[0])
            differing = self.differing(again.capture(self.epochs), self.end)
            assert not differing, f"resumed from {place}, these differ at the end: {differing}"
        # Apply the EMA weights, if there are any.
        self.whole.end()
        again.end()
        assert not self.differing(again.capture(self.epochs), self.whole.capture(self.epochs))
        return places

    @staticmethod
    def differing(one: TrainingState, other: TrainingState) -> list[str]:
        """Return the variables and metrics that are not bit-identical in two states."""
        assert len(one.arrays) == len(other.arrays)
        pairs = zip(one.arrays.items(), other.arrays.values(), strict=True)
        different = [name for (name, a), b in pairs if a.dtype != b.dtype or a.tobytes() != b.tobytes()]
        return different + [name for name in other.history if one.history.get(name) != other.history[name]]

    def moved(self, start: tuple[int, int], end: tuple[int, int], part: str, group: str = "model") -> bool:
        """Return whether any variable of a part changed between two states."""
        names = [n for n in self.states[start].arrays if n.startswith(group + "/") and part in n]
        assert names, f"there is no {part} in {group}"
        return any(
            self.states[start].arrays[name].tobytes() != self.states[end].arrays[name].tobytes() for name in names
        )
