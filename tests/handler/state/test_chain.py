"""The chain of keys: what enters a key, and the states of a chain that a store has."""

import numpy as np
import pytest

from handler.schedule.schedule import compute_schedule
from handler.state.chain import Chain, iter_states_latest_first, latest_intact, recorded_threads, superseded_snapshots
from handler.store.training_state import TrainingState
from tests.handler.state.chains import CUT, chain_of, write

ENTRY = {"training_interval": [1, 3], "layers": ["low"]}


def keys(*entries, epochs=4, start="0" * 32):
    return Chain(start, compute_schedule(list(entries) or None, epochs)).keys


def common(one, other):
    """Return the number of leading keys that two chains share."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def test_a_chain_has_one_key_per_epoch_boundary():
    assert len(set(keys(ENTRY))) == 5
    assert keys(ENTRY)[0] == "0" * 32


@pytest.mark.parametrize(
    ("entry", "shared"),
    [
        (ENTRY, 5),
        (ENTRY | {"layers": ["high"]}, 2),
        (ENTRY | {"training_interval": [1, 2]}, 3),
        (ENTRY | {"initial_learning_rate": 0.5}, 2),
        (ENTRY | {"training_interval": [2, 3]}, 2),
    ],
    ids=["equal", "other layers", "a shorter interval", "a rate", "a later interval"],
)
def test_keys_are_equal_up_to_the_first_difference(entry, shared):
    assert common(keys(ENTRY), keys(entry)) == shared


def test_a_longer_training_continues_the_keys():
    assert keys(ENTRY, epochs=6)[:5] == keys(ENTRY)


def test_segment_boundaries_do_not_enter_a_key():
    cut = [{"training_interval": [a, b], "layers": ["low"]} for a, b in ((0, 3), (3, 6))]
    assert keys(*cut, epochs=6) == keys({"training_interval": [0, 6], "layers": ["low"]}, epochs=6)


def test_another_declaration_changes_every_key():
    assert common(keys(ENTRY), keys(ENTRY, start="1" * 32)) == 0


@pytest.mark.parametrize(("at", "start"), [((0, 0), 0), ((1, 0), 0), ((3, 0), 0), ((3, 2), 3), ((6, 0), 3)])
def test_a_state_belongs_to_the_segment_that_leads_to_it(at, start):
    assert chain_of(3, 6, **CUT).segment_start(*at) == start


@pytest.fixture
def stored(states):
    """Return a chain of two segments, with its first states and one snapshot in the store."""
    chain = chain_of(3, 6, **CUT)
    for epoch, step in ((0, 0), (3, 0), (4, 0), (4, 2), (4, 10)):
        write(states, chain, epoch, step=step)
    return chain


def test_states_are_listed_from_the_latest_to_the_first(states, stored):
    listed = [(p.epoch, p.step) for p in iter_states_latest_first(stored.keys, states)]
    assert listed == [(4, 10), (4, 2), (4, 0), (3, 0), (0, 0)]


def test_a_damaged_state_is_passed_over(states, stored):
    (states.folder(stored.step_key(4, 10)) / "manifest.json").write_text("{")
    position = latest_intact(stored.keys, states)
    assert (position.key, position.epoch, position.step) == (stored.step_key(4, 2), 4, 2)


def test_a_state_supersedes_the_snapshots_of_its_segment(states, stored):
    assert superseded_snapshots(stored, states, 4, 10) == [stored.keys[4], stored.step_key(4, 2)]
    assert superseded_snapshots(stored, states, 3) == []


def test_the_latest_state_is_searched_up_to_an_epoch(states, stored):
    position = latest_intact(stored.keys, states, 3)
    assert (position.key, position.epoch, position.step) == (stored.keys[3], 3, 0)
    assert latest_intact(stored.keys, states, -1) is None


def test_the_thread_count_comes_from_the_first_state_that_records_it(states):
    for key, threads in (("a", 3), ("b", 3)):
        state = TrainingState(1, 0, {"model/w": np.ones(2)}, {}, {}, False)
        states.write(key, state, metadata={"environment": {"threads": threads}})
    assert recorded_threads(states, ["a", "b", "c"]) == 3
    states.remove("a")
    assert recorded_threads(states, ["a", "b", "c"]) == 3, "the first state is lost"
    (states.folder("b") / "manifest.json").write_text("{}")
    assert recorded_threads(states, ["a", "b", "c"]) is None
