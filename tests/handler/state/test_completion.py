"""One rule decides whether a segment is done and which state satisfies it."""

import os
import subprocess
import sys

import pytest

from handler.observer import Observer
from handler.state.chain import Position
from handler.state.completion import Completion, completed_end, find_completion, use_completed
from handler.store.states import StateStore
from tests.handler.state.chains import CUT, chain_of, write


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


def test_the_end_of_a_cached_segment_replaces_its_snapshots(states):
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
