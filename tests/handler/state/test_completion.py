"""One rule decides whether a segment is done and which state satisfies it."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from handler.observer import Observer
from handler.schedule.schedule import compute_schedule
from handler.state.chain import Chain, Position, latest_intact
from handler.state.completion import Completion, completed_end, find_completion, use_completed
from handler.state.missing_states import find_missing_states
from handler.store.states import StateStore
from handler.store.store import Store
from handler.store.training_state import TrainingState


@pytest.fixture
def states(tmp_path):
    return Store(tmp_path).states


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


def test_a_segments_own_end_state_satisfies_it(states):
    chain = chain_of(3, 6, **CUT)
    own = write(states, chain, 3)
    write(states, chain, 6, 3)
    assert find_completion(chain, states, chain.schedule.segments[0]) == Completion(own, 3)


@pytest.mark.parametrize("later", [(6, 0), (4, 0), (4, 2), (3, 2)])
def test_a_later_state_satisfies_a_segment_without_an_end_state(states, later):
    chain = chain_of(3, 6, **CUT)
    key = write(states, chain, later[0], step=later[1])
    assert find_completion(chain, states, chain.schedule.segments[0]) == Completion(key, 3)


@pytest.mark.parametrize("earlier", [None, (0, 0), (2, 0), (2, 5)])
def test_a_segment_with_untrained_epochs_is_incomplete(states, earlier):
    chain = chain_of(3, 6, **CUT)
    if earlier is not None:
        write(states, chain, earlier[0], step=earlier[1])
    assert find_completion(chain, states, chain.schedule.segments[0]) is None


def test_a_state_stopped_by_a_callback_satisfies_its_segment(states):
    chain = chain_of(3, 6, **CUT)
    write(states, chain, 3)
    key = write(states, chain, 5, 3, stopped=True)
    assert find_completion(chain, states, chain.schedule.segments[1]) == Completion(key, 5, stopped=True)
    assert find_completion(chain, states, chain.schedule.segments[0]) == Completion(chain.keys[3], 3)


@pytest.mark.parametrize(
    ("position", "end"),
    [(None, None), (Position("k", 2), None), (Position("k", 2, 7), None), (Position("k", 3), 3), (Position("k", 9), 3),
     (Position("k", 2, stopped=True), 2)],
)  # fmt: skip
def test_the_plan_judges_a_segment_by_the_furthest_state(position, end):
    assert completed_end(chain_of(3, 6, **CUT).schedule.segments[0], position) == end


def test_a_snapshot_removed_by_another_process_satisfies_no_segment(states, monkeypatch):
    chain = chain_of(3, 6, **CUT)
    write(states, chain, 3, snapshot=True)
    keep = StateStore.promote_snapshot

    def removed(self, key):
        monkeypatch.setattr(StateStore, "promote_snapshot", keep)
        self.remove(key)
        return keep(self, key)

    monkeypatch.setattr(StateStore, "promote_snapshot", removed)
    seen = Observer()
    seen.on_segment_end = lambda record: pytest.fail(f"notified of {record}")
    assert use_completed(chain, states, chain.schedule.segments[0], [seen]) is None


def test_a_cached_segment_keeps_its_end_and_drops_earlier_snapshots(states):
    chain = chain_of(3, 6, **CUT)
    write(states, chain, 0)
    write(states, chain, 2, snapshot=True)
    own = write(states, chain, 3, snapshot=True)
    record = use_completed(chain, states, chain.schedule.segments[0])
    assert (record.source, record.state, record.end, record.trained_epochs) == ("cached", own, 3, 0)
    assert states.names() == sorted([chain.keys[0], own])
    assert states.manifest(own)["snapshot"] is False


def test_a_later_snapshot_that_satisfies_a_segment_stays_a_snapshot(states):
    chain = chain_of(3, 6, **CUT)
    key = write(states, chain, 4, snapshot=True)
    assert use_completed(chain, states, chain.schedule.segments[0]).state == key
    assert states.manifest(key)["snapshot"] is True


def test_the_completion_rule_imports_no_tensorflow():
    code = "import sys, handler.state.completion, handler.state.missing_states; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == 0


@pytest.mark.parametrize("damage", ["flipped", "deleted"])
def test_a_hole_is_named_with_the_command_that_rebuilds_it(states, damage):
    chain = chain_of(3, 6, **CUT)
    for epoch, parent in ((0, None), (3, 0), (6, 3)):
        write(states, chain, epoch, parent)
    assert find_missing_states(chain, states, latest_intact(chain, states)) == []
    if damage == "deleted":
        states.remove(chain.keys[3])
    else:
        file = states.folder(chain.keys[3]) / "manifest.json"
        file.write_bytes(file.read_bytes().replace(b'"epoch": 3', b'"epoch": 4'))
    (hole,) = find_missing_states(chain, states, latest_intact(chain, states))
    assert (hole.key, hole.epoch) == (chain.keys[3], 3)
    assert "the state after epoch 3" in hole.text
    assert re.search(rf"`\S*frostline verify --repair --store {states.root.parent}` rebuilds it", hole.text)


def test_a_state_that_was_never_written_is_not_a_hole(states):
    longer = chain_of(6, frozen=[(0, 6)])
    write(states, longer, 0)
    write(states, longer, 6, 0)
    chain = chain_of(3, 6, **CUT)
    assert chain.keys[6] == longer.keys[6]
    assert find_missing_states(chain, states, latest_intact(chain, states)) == []
