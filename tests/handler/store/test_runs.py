"""The runs of a store: their directories, records and files."""

import shutil

import pytest

from handler.errors import DamagedError, SpecError
from handler.store.store import Store
from tests.handler.store.writes import record


@pytest.mark.parametrize("how", [shutil.copytree, shutil.move])
def test_a_renamed_run_folder_is_a_run_of_the_new_name(how, tmp_path):
    store = Store(tmp_path)
    store.runs.write(record(1))
    how(store.runs.folder("mine"), store.runs.folder("other"))
    assert store.runs.read("other").run == "other"
    store.runs.write(store.runs.read("other").model_copy(update={"epochs": 2}))
    assert store.runs.read("other").epochs == 2
    assert store.runs.names() == (["mine", "other"] if how is shutil.copytree else ["other"])
    assert store.verify() == []


@pytest.fixture
def runs(tmp_path):
    return Store(tmp_path).runs


def test_a_missing_run_is_refused_with_a_list_of_the_runs(runs):
    for name in ("second", "first"):
        runs.write(record(1).model_copy(update={"run": name}))
    with pytest.raises(SpecError, match=r"^run: there is no run 'third' in .*; there are: first, second$"):
        runs.read("third")


def test_a_name_that_leaves_the_store_has_no_folder(runs):
    with pytest.raises(SpecError, match="can't name a run"):
        runs.folder("../mine")


def test_a_file_is_compared_with_the_digest_in_the_record(runs):
    runs.folder("mine").mkdir(parents=True)
    file = runs.folder("mine") / "history.csv"
    file.write_text("epoch,loss")
    runs.write(record(1, files=runs.digests("mine")))
    assert runs.file(runs.read("mine"), "history.csv") == file
    file.write_text("epoch,lost")
    with pytest.raises(DamagedError, match=r"history\.csv"):
        runs.file(runs.read("mine"), "history.csv")
    assert [damage.path for damage in runs.damages("mine")] == [str(file)]


def test_a_run_without_a_record_is_active_while_it_is_locked(runs):
    with runs.lock_alone("mine"):
        assert (runs.names(), runs.active_names()) == ([], ["mine"])
    assert runs.active_names() == []
    assert not runs.folder("mine").exists(), "an empty folder goes with its lock"
