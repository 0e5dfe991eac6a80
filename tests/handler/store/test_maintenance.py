"""The collection of a store's unneeded files."""

import time

import numpy as np
import pytest

from handler.errors import SpecError
from handler.store import atomic_dirs, remote_dirs
from handler.store.marker import is_absent
from handler.store.run_retention import Retention
from handler.store.store import Store
from tests.handler.store.examples import ARRAYS, equal, recorded, state_of
from tests.s3_server import BUCKET


def test_gc_removes_quarantined_and_damaged_states(tmp_path):
    store = Store(tmp_path)
    for key in ("aside", "broken"):
        store.states.write(key, state_of(**ARRAYS))
    (store.states.folder("broken") / atomic_dirs.MANIFEST).write_text("{")
    (next(store.states.folder("aside").glob("variables.zarr/c/*"))).write_bytes(b"")
    store.states.quarantine("aside")
    removed, size = store.collect()
    assert [path.partition("-")[0] for path in removed] == ["states/.damaged", "states/broken"]
    assert size > 0
    assert list(store.states.root.iterdir()) == []


pytestmark = pytest.mark.timeout(300)


def test_gc_removes_unneeded_runs_and_states_at_the_url(machine, s3, url):
    one = machine("one")
    for key in ("k1", "k2", "k3"):
        one.states.write(key, state_of(**ARRAYS, of=np.frombuffer(key.encode(), "uint8")))
    for run, key in (("oldest", "k1"), ("older", "k2"), ("newest", "k3")):
        recorded(one, run, state=key)
        time.sleep(0.01)
    other = machine("other")
    removed, _ = other.collect(keep=Retention(newest=2), dry_run=True)
    assert set(removed) == {"runs/oldest", "states/k1"}
    other.collect(keep=Retention(newest=2))
    third = machine("third")
    assert third.states.names() == ["k2", "k3"]
    assert third.runs.names() == ["newest", "older"]
    assert not [name for name in s3.objects(url.partition(f"{BUCKET}/")[2]) if "oldest" in name or "/k1/" in name]
    assert third.verify() == []


def test_gc_removes_day_old_uploads_of_killed_writers(machine, s3, url, monkeypatch):
    one, prefix = machine("one"), url.partition(f"{BUCKET}/")[2]
    for key in ("k1", "dropped"):
        one.states.write(key, state_of(**ARRAYS), snapshot=key == "dropped")
    one.states.drop_snapshots(["dropped"])
    recorded(one, "run", state="k1")
    far, name = remote_dirs.find_remote(one.states.folder("k1"))
    far.put(f"{name}/dead/variables.zarr/c/0", b"half")
    far.put("states/k2/dead/variables.zarr/c/0", b"half")
    dead = {f"{prefix}/states/{left}" for left in ("k1/dead/variables.zarr/c/0", "k2/dead/variables.zarr/c/0", "dropped.commit")}
    before = set(s3.objects(prefix))
    assert dead < before
    assert one.collect()[0] == [], "they are in the writing, perhaps"
    monkeypatch.setattr(remote_dirs, "LEFT_SECONDS", -1)
    assert set(machine("other").collect()[0]) == {name.removeprefix(f"{prefix}/") for name in dead}
    assert set(s3.objects(prefix)) - {f"{prefix}/collection"} == before - dead  # the object of the collection's lock
    assert equal(machine("third").states.read("k1").arrays, ARRAYS)


@pytest.mark.parametrize("marked", [False, True])
def test_gc_at_a_url_needs_a_store(machine, monkeypatch, marked):
    one = machine("one")
    far, _ = remote_dirs.find_remote(one.root)
    monkeypatch.setattr(remote_dirs, "LEFT_SECONDS", -1)
    assert is_absent(one.root)
    far.put("states/holiday/picture.jpg", b"the user's")
    with pytest.raises(SpecError, match=f"{far.url} is not a Frostline store, so nothing is removed from it"):
        one.collect()
    assert far.get("states/holiday/picture.jpg") is not None
    assert not is_absent(one.root)
    if marked:
        with one.runs.lock("run"):
            pass
    else:
        one.states.write("k1", state_of(**ARRAYS))  # as in a store older than the marker
    assert "states/holiday/picture.jpg" in machine("other").collect()[0]
