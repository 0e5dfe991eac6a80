"""The writer of a chain's states: snapshots in the background, the ends of segments at once."""

import threading

import numpy as np
import pytest

from handler.errors import StoreError
from handler.state.writer import StateWriter
from handler.store.states import StateStore
from handler.store.training_state import TrainingState
from tests.handler.state.chains import CUT, chain_of


@pytest.fixture
def writer(states):
    return StateWriter(chain_of(3, 6, **CUT), states)


def at(epoch, step=0):
    return TrainingState(epoch, step, {"model/w": np.full(4, epoch + step / 10)}, {}, {"loss": [0.5] * epoch})


def test_only_the_newest_two_snapshots_of_a_segment_are_kept(writer, states):
    for epoch in (0, 1, 2):
        writer.write(at(epoch), {}, in_background=True)
    writer.write(at(2, 5), {}, in_background=True)
    writer.finish()
    keys = writer.chain.keys
    assert states.names() == sorted([keys[0], keys[2], writer.chain.step_key(2, 5)])


def test_the_state_at_a_segments_end_replaces_its_snapshots(writer, states):
    for epoch in (0, 1, 2):
        writer.write(at(epoch), {}, in_background=True)
    writer.write(at(3), {"found": {"a": 1}}, in_background=True)
    keys = writer.chain.keys
    assert states.names() == sorted([keys[0], keys[3]]), "durable at once, without a wait"
    assert states.manifest(keys[3])["found"] == {"a": 1}
    assert not states.manifest(keys[3])["snapshot"]


@pytest.fixture
def refused_snapshots(monkeypatch):
    """Refuse to write what is written in the background."""
    write = StateStore.write

    def refuse(self, *given, **more):
        if threading.current_thread().name == "snapshot":
            raise StoreError("no room")
        write(self, *given, **more)

    monkeypatch.setattr(StateStore, "write", refuse)


@pytest.mark.usefixtures("refused_snapshots")
def test_a_refused_snapshot_is_reported_once(writer):
    writer.write(at(1), {}, in_background=True)
    with pytest.raises(StoreError, match="no room"):
        writer.finish()
    writer.finish()


@pytest.mark.usefixtures("refused_snapshots")
def test_a_refused_snapshot_does_not_prevent_the_segments_end(writer, states):
    writer.write(at(2), {}, in_background=True)
    writer.write(at(3), {})
    assert states.names() == [writer.chain.keys[3]]
