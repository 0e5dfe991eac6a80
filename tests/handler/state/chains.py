"""Chains of states, written without a training."""

import numpy as np

from handler.schedule.schedule import compute_schedule
from handler.state.chain import Chain
from handler.store.training_state import TrainingState


def chain_of(*ends, epochs=6, frozen=()):
    """Return a chain whose segments end at these epochs, because entries freeze the same layer over `frozen`."""
    entries = [{"training_interval": [a, b], "layers": ["low"]} for a, b in frozen]
    schedule = compute_schedule(entries or None, epochs)
    assert tuple(segment.end for segment in schedule.segments) == ends
    return Chain("0" * 32, schedule)


def write(states, chain, epoch, parent=None, step=0, **more):
    """Write the state after a number of epochs and steps. Each state holds all of its variables itself."""
    key = chain.step_key(epoch, step) if step else chain.keys[epoch]
    state = TrainingState(epoch, step, {"model/w": np.full(4, epoch + step / 10)}, {}, {"loss": [0.5] * epoch}, more.pop("stopped", False))
    states.write(key, state, parent=None if parent is None else chain.keys[parent], **more)
    return key


CUT = {"frozen": [(0, 3), (3, 6)]}
