"""The chain of keys: every state is named by what determines it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from handler.schedule import Schedule
from handler.store import StateStore


def key_of(data: Any) -> str:
    """The key of JSON-able data: 32 hex digits of the sha256 of its canonical form."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Chain:
    """The keys of one training: `keys[e]` names the state after e epochs.

    `keys[0]` is the hash of what is declared, `keys[e + 1]` of `keys[e]`, the layers frozen in epoch e and the
    learning rate set at e. Neither names nor the number of epochs nor where segments are cut enters.
    """

    start: str
    schedule: Schedule

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """One key per epoch boundary, `training_epochs + 1` in all."""
        keys = [self.start]
        for epoch in range(self.schedule.training_epochs):
            keys.append(key_of([keys[-1], sorted(self.schedule.frozen(epoch)), self.schedule.learning_rate(epoch)]))
        return tuple(keys)

    def within(self, epoch: int, step: int) -> str:
        """The name of the state `step` steps into an epoch."""
        return f"{self.keys[epoch + 1]}-step-{step}"


@dataclass(frozen=True)
class Position:
    """A state of the chain that is on disk: its name, and the epochs and steps done there."""

    key: str
    epoch: int
    step: int = 0
    stopped: bool = False


def furthest(chain: Chain, states: StateStore) -> Position | None:
    """The furthest intact state of a chain, steps within an epoch included; None where there is none."""
    there = set(states.names())
    begun = {name.partition("-step-")[0] for name in there if "-step-" in name}
    for epoch in range(len(chain.keys) - 1, -1, -1):
        if epoch + 1 < len(chain.keys) and chain.keys[epoch + 1] in begun:
            for step, name in reversed(states.within(chain.keys[epoch + 1])):
                if states.intact(name):
                    return Position(name, epoch, step)
        if chain.keys[epoch] in there and states.intact(chain.keys[epoch]):
            return Position(chain.keys[epoch], epoch, 0, states.manifest(chain.keys[epoch])["stopped"])
    return None
