"""Damaged parts that are removed, since they can be made again or no run needs them."""

from pathlib import Path

import numpy as np
import pytest

from handler.repair.removal import is_cache, quarantine_unneeded_state, remove
from handler.store.store import Store
from tests.handler.store.writes import record, state


@pytest.mark.parametrize("place", ["prefit/a.zarr/c/0", "plans/k.json", "digests.json", "results/x", "runs/mine/lock"])
def test_caches_indexes_and_locks_are_made_again(place):
    assert is_cache(Path(place))


@pytest.mark.parametrize("place", ["states/k1/manifest.json", "runs/mine/run.json", "runs/mine/lock/x", "sweeps/a/sweep.json"])
def test_states_and_records_are_no_caches(place):
    assert not is_cache(Path(place))


def test_a_damaged_cache_is_quarantined_as_a_whole(tmp_path):
    store = Store(tmp_path)
    store.prefit.write("p", {"a": np.arange(9)}, {})
    assert remove(store, Path("prefit/p.zarr/000/c/0")).startswith("quarantined")
    assert store.prefit.read("p") is None
    assert [path.name.startswith(".damaged-") for path in store.prefit.root.iterdir()] == [True]


def test_a_damaged_index_is_removed(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "digests.json").write_text("{")
    assert remove(store, Path("digests.json")).startswith("removed")
    assert not (tmp_path / "digests.json").exists()


def test_only_a_state_that_nothing_needs_is_quarantined(tmp_path):
    store = Store(tmp_path)
    store.states.write("k1", state(1.0))
    store.states.write("k2", state(2.0), parent="k1")
    assert not quarantine_unneeded_state(store, "k1", []), "k2 refers to it"
    assert not quarantine_unneeded_state(store, "k2", [record(1, state="k2")])
    assert quarantine_unneeded_state(store, "k2", [])
    assert store.states.names() == ["k1"]
