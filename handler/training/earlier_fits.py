"""The memory of how a fit left live objects, so that the same call again is the same training.

The key of a training on live objects hashes the initial variables, and a fit changes these. Without a memory of their
earlier values, the same call would be another training, one that starts from the trained values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from handler.backend.optimizers import steps_taken
from handler.errors import DamagedError, StoreError
from handler.fingerprint import data_digests, live_objects
from handler.schedule.schedule import Schedule
from handler.state.chain import Chain, latest_intact
from handler.store.checksums import compute_key
from handler.store.store import Store


@dataclass(frozen=True)
class FitMemory:
    """The memory of how a fit with a store left a model.

    Attributes:
        store: the store's folder.
        keys: the keys of its training.
        epoch: the number of its epochs from which the values come, including one that was begun.
        digest: digest of the model's and the optimizer's variables after the fit.
        steps: number of steps that the optimizer had taken before the training began.
        before, after: the declaration's parts that a fit changes (initial values, compilation), before and after it.
        callbacks: the callbacks that can affect the training, each with its declaration before and after the fit.
        by_model: the memory of the last fit of each model; one per process, because only the model outlives a cell.
    """

    by_model: ClassVar[WeakKeyDictionary[Any, FitMemory]] = WeakKeyDictionary()

    store: Path
    keys: tuple[str, ...]
    epoch: int
    digest: str
    steps: int
    before: dict[str, Any]
    after: dict[str, Any]
    callbacks: list[tuple[Any, Any, Any]]

    def as_before(self, declared: dict[str, Any], callbacks: Sequence[Any]) -> dict[str, Any]:
        """Return a declaration with the fit's own changes undone; changes that others have made since remain."""
        digests = declared["found"] | {"initial": self.before["initial"]}
        changed = {"found": digests}
        if declared["compile"] == self.after["compile"]:
            changed["compile"] = self.before["compile"]
        known = {id(callback): (before, after) for callback, before, after in self.callbacks}
        changed["callbacks"] = [
            known[id(callback)][0] if now == known.get(id(callback), (None, None))[1] else now
            for callback, now in zip(live_objects.affecting_callbacks(callbacks), declared["callbacks"], strict=True)
        ]
        return declared | changed

    def is_part_of(self, chain: Chain) -> bool:
        """Return whether the values after the fit belong to a state of a chain, or lie beyond its end."""
        epoch = min(self.epoch, len(chain.keys) - 1)
        return chain.keys[epoch] == self.keys[epoch]


@dataclass(frozen=True)
class Training:
    """A training on live objects.

    Attributes:
        chain: its keys.
        digests: digests of the data and initial variables, for the manifests of its states.
        declared: the declaration that its first key hashes.
        steps: number of steps that the optimizer had taken before the training began.
        continues: whether the live objects have been trained along the chain already, instead of being at its start.
    """

    chain: Chain
    digests: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    continues: bool = False


# See docs/decisions/0052-the-same-cell-again.md.
def identify(
    mh: Any, callbacks: Sequence[Any], sequencer: Any, validation: Any, schedule: Schedule, store: Store | None
) -> Training:
    """Return the training that a call asks for: an earlier one of these live objects, or a new one from their values.

    Args:
        mh: the model handler, compiled.
        callbacks: Keras callbacks.
        sequencer: the training batches.
        validation: the sequencer of the validation batches; None without.
        schedule: the schedule.
        store: the store of its states; None without.

    Raises:
        SpecError: the sequencer's order is no function of the epoch.
        DamagedError: it is an earlier training, and the store has no intact state of it any more.
    """
    steps = steps_taken(mh.compiled.optimizer)
    if store is None:
        return Training(Chain("live", schedule), steps=steps)
    declared, digests = live_objects.live_declaration(mh, callbacks, sequencer, validation)
    left = FitMemory.by_model.get(mh.compiled)
    # guard: model-trained-elsewhere
    if left is not None and left.store == store.root and left.digest == digests["initial"]:
        before = left.as_before(declared, callbacks)
        chain = Chain(compute_key(before, allow_nan=True), schedule)
        if left.is_part_of(chain):  # guard: cell-run-again
            if latest_intact(chain.keys, store.states) is None:
                raise DamagedError(
                    f"{store.root}: no longer has a state of this training, and the network has been trained since the "
                    "training began; build the network again, or train without a store"
                )
            earlier = digests | {"initial": before["found"]["initial"]}
            return Training(chain, earlier, before, left.steps, continues=True)
    return Training(Chain(compute_key(declared, allow_nan=True), schedule), digests, declared, steps)


@contextmanager
def remember_fit(mh: Any, callbacks: Sequence[Any], training: Training, store: Store) -> Iterator[None]:
    """Remember, at the end of the context, how the fit within it leaves a model, also if the fit fails.

    Args:
        mh: the model handler.
        callbacks: the callbacks of the fit.
        training: the training.
        store: the store of its states.
    """
    ahead = 1  # after a failure the values may come from an epoch that was begun
    try:
        yield
        ahead = 0
    finally:
        with suppress(StoreError):
            position = latest_intact(training.chain.keys, store.states)
            if position is not None:
                _remember(mh, callbacks, training, store.root, position.epoch + ahead)


def _remember(mh: Any, callbacks: Sequence[Any], training: Training, store: Path, epoch: int) -> None:
    before = training.declared
    of = zip(live_objects.affecting_callbacks(callbacks), before["callbacks"], strict=True)
    FitMemory.by_model[mh.compiled] = FitMemory(
        store=store,
        keys=training.chain.keys,
        epoch=min(epoch, len(training.chain.keys) - 1),
        digest=data_digests.variables_digest(mh.compiled),
        steps=training.steps,
        before={"initial": before["found"]["initial"], "compile": before["compile"]},
        after={"compile": live_objects.plain_json(mh.compiled.get_compile_config())},
        callbacks=[(callback, was, live_objects.callback_declaration(callback)) for callback, was in of],
    )
