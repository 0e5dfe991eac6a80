"""A sweep's name belongs to one sweep, and a run's name to one file."""

import pytest

from handler.errors import BusyError, SpecError
from handler.store.store import Store
from handler.store.sweeps import claimed_sweep, refuse_other_file
from tests.handler.store.writes import record


def test_another_sweep_under_the_same_name_is_refused(tmp_path):
    store = Store(tmp_path)
    with claimed_sweep(store, "mine", ["a-1", "a-2"]):
        pass
    with claimed_sweep(store, "mine", ["a-1", "a-2"]):
        pass
    said = r"^--name: 'mine' is another sweep of this store, with the runs a-1, a-2; give this sweep another name$"
    with pytest.raises(SpecError, match=said), claimed_sweep(store, "mine", ["a-1", "a-4"]):
        pass
    with claimed_sweep(store, "mine", ["a-1", "a-2"]):
        pass


def test_a_concurrent_sweep_under_the_same_name_is_refused(tmp_path):
    again = pytest.raises(BusyError, match="sweep 'mine' is being used by")
    with claimed_sweep(Store(tmp_path), "mine", ["a"]), again, claimed_sweep(Store(tmp_path), "mine", ["b"]):
        pass


def test_a_damaged_list_of_a_sweeps_runs_is_written_again(tmp_path):
    store = Store(tmp_path)
    with claimed_sweep(store, "mine", ["a"]):
        (tmp_path / "sweeps/mine/sweep.json").write_text("{")
    with claimed_sweep(store, "mine", ["b"]):
        pass


def test_a_file_of_another_folder_does_not_take_over_a_run(tmp_path):
    store = Store(tmp_path)
    store.runs.write(record(1).model_copy(update={"spec": {"seed": 1}, "spec_folder": "/one"}))
    with pytest.raises(
        SpecError, match=r"^run: 'mine' is a run of /one in this store; rename this file, or give another --store"
    ):
        refuse_other_file(store, "mine", "/other", {"seed": 2})
    refuse_other_file(store, "mine", "/other", {"seed": 1})  # the project moved
    refuse_other_file(store, "mine", "/one", {"seed": 2})  # the file was changed
    refuse_other_file(store, "new", "/other", {"seed": 2})
