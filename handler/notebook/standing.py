"""Where a fit left live objects, so that the same call again is the same training.

The key of a training on live objects hashes the initial variables. After a fit these have moved: without a memory of
where they were, the same call would be another training, from the trained values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from handler import identity
from handler.chain import Chain, furthest, key_of
from handler.errors import DamagedError, StoreError
from handler.schedule import Schedule
from handler.store import Store

_left: WeakKeyDictionary[Any, Standing] = WeakKeyDictionary()  # by model


@dataclass(frozen=True)
class Standing:
    """How a fit with a store left a model.

    Attributes:
        store: the store's folder.
        keys: the keys of its training.
        epoch: how many of its epochs the values come from, the one that was begun counted.
        digest: of the model's and the optimizer's variables as they were left.
        before, after: what is declared of the live objects (their initial values, how they are compiled), before the
            fit and after it.
        callbacks: the callbacks that influence the training, with what is declared of each before the fit and after.
    """

    store: Path
    keys: tuple[str, ...]
    epoch: int
    digest: str
    before: dict[str, Any]
    after: dict[str, Any]
    callbacks: list[tuple[Any, Any, Any]]

    def as_before(self, declared: dict[str, Any], callbacks: Sequence[Any]) -> dict[str, Any]:
        """A declaration with what the fit has changed as it was before; what somebody else has changed stays."""
        found = declared["found"] | {"initial": self.before["initial"]}
        changed = {"found": found}
        if declared["compile"] == self.after["compile"]:
            changed["compile"] = self.before["compile"]
        known = {id(callback): (before, after) for callback, before, after in self.callbacks}
        changed["callbacks"] = [
            known[id(callback)][0] if now == known.get(id(callback), (None, None))[1] else now
            for callback, now in zip(identity.steering(callbacks), declared["callbacks"], strict=True)
        ]
        return declared | changed

    def is_part_of(self, chain: Chain) -> bool:
        """Whether the values that were left lie on a chain, or beyond its end."""
        epoch = min(self.epoch, len(chain.keys) - 1)
        return chain.keys[epoch] == self.keys[epoch]


@dataclass(frozen=True)
class Training:
    """What a training on live objects is.

    Attributes:
        chain: its keys.
        found: digests of what was found, for the manifests of its states.
        declared: what its first key hashes.
        continues: whether the live objects stand somewhere on the chain, not at its start.
    """

    chain: Chain
    found: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    continues: bool = False


def identify(
    mh: Any, callbacks: Sequence[Any], sequencer: Any, validation: Any, schedule: Schedule, store: Store
) -> Training:
    """Which training a call asks for: one that these live objects were left in, or a new one from their values.

    Args:
        mh: the model handler, compiled.
        callbacks: Keras callbacks.
        sequencer: the batches.
        validation: the batches that are evaluated after each epoch, if there are such.
        schedule: the schedule.
        store: where its states are kept.

    Raises:
        SpecError: the sequencer's order isn't a function of the epoch.
        DamagedError: it is one that the live objects were left in, and the store has none of its states any more.
    """
    declared, found = identity.of_live_objects(mh, callbacks, sequencer, validation)
    left = _left.get(mh.compiled)
    if left is not None and left.store == store.root and left.digest == found["initial"]:
        before = left.as_before(declared, callbacks)
        chain = Chain(key_of(before), schedule)
        if left.is_part_of(chain):
            if furthest(chain, store.states) is None:
                raise DamagedError(
                    f"{store.root}: has no state of this training any more, and the network has been trained since its "
                    "start; build the network again, or train without a store"
                )
            return Training(chain, found | {"initial": before["found"]["initial"]}, before, continues=True)
    return Training(Chain(key_of(declared), schedule), found, declared)


@contextmanager
def remembered(mh: Any, callbacks: Sequence[Any], training: Training, store: Store) -> Iterator[None]:
    """Remembers, when it is left, how the fit inside of it leaves a model, also where it fails.

    Args:
        mh: the model handler.
        callbacks: the callbacks of the fit.
        training: what is trained.
        store: where its states are kept.
    """
    ahead = 1  # an epoch may have been begun
    try:
        yield
        ahead = 0
    finally:
        with suppress(StoreError):
            position = furthest(training.chain, store.states)
            if position is not None:
                _remember(mh, callbacks, training, store.root, position.epoch + ahead)


def _remember(mh: Any, callbacks: Sequence[Any], training: Training, store: Path, epoch: int) -> None:
    before = training.declared
    of = zip(identity.steering(callbacks), before["callbacks"], strict=True)
    _left[mh.compiled] = Standing(
        store=store,
        keys=training.chain.keys,
        epoch=min(epoch, len(training.chain.keys) - 1),
        digest=identity.variables(mh.compiled),
        before={"initial": before["found"]["initial"], "compile": before["compile"]},
        after={"compile": identity.compiled(mh.compiled)},
        callbacks=[(callback, was, identity.callback(callback)) for callback, was in of],
    )
