"""A store as a whole: its permissions, its verification and its removal."""

import pytest

from handler.errors import StoreError
from handler.store.marker import claim_store
from handler.store.store import Store
from tests.handler.store.writes import flip, record, state


def test_a_store_is_created_at_its_first_write(tmp_path):
    store = Store(tmp_path / "s")
    assert (store.runs.names(), store.states.names(), store.root.exists()) == ([], [], False)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("the user's")
    with pytest.raises(StoreError, match=r"runs: .*Not a directory"):
        Store(tmp_path).require_writable("mine")


def test_the_damage_of_a_store_at_a_url_is_named_by_its_url(machine, s3, url):
    store = machine("one")
    store.states.write("k1", state(1.0))
    name = next(name for name in s3.objects(url.partition("/store")[2].join(["store", ""])) if "/c/0" in name)
    s3.client.put_object(Bucket=url.split("/")[2], Key=name, Body=b"something else")
    assert [damage.path.startswith(f"{url}/states/k1/") for damage in store.verify()] == [True]


def test_a_store_of_a_refused_training_is_discarded(tmp_path):
    store = Store(tmp_path / "s")
    claim_store(store.root)
    (store.root / "plans").mkdir()
    (store.root / "plans" / "k.json").write_text("{}")
    store.discard_unused()
    assert not store.root.exists()


@pytest.mark.parametrize("kind", ["a run", "a state", "no marker"])
def test_a_store_with_content_is_not_discarded(tmp_path, kind):
    store = Store(tmp_path / "s")
    if kind == "no marker":
        (store.root / "plans").mkdir(parents=True)
    else:
        claim_store(store.root)
    if kind == "a run":
        store.runs.write(record(1))
    if kind == "a state":
        store.states.write("k1", state(1.0))
    store.discard_unused()
    assert store.root.exists()


def test_only_the_files_that_a_run_needs_are_verified_for_it(tmp_path):
    store = Store(tmp_path)
    for key in ("k0", "k1"):
        store.states.write(key, state(1.0))
    store.runs.write(record(0, state="k0"))
    flip(store.states.folder("k1"))
    assert len(store.verify()) == 1
    assert store.verify("mine") == []
