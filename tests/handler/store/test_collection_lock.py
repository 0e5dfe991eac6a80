"""A collection and a training never use a store at the same time: the later one waits or is refused."""

import subprocess
import sys
import textwrap
import threading

import pytest

from handler.errors import BusyError, Interrupted
from handler.stop_flag import stop
from handler.store import collection_lock, maintenance
from handler.store.store import Store
from tests.handler.store.writes import record, state

HELD = textwrap.dedent("""
    import sys
    from handler.store import Store
    with Store(sys.argv[1]).runs.lock(sys.argv[2]):  # it has no record yet
        print("held", flush=True)
        sys.stdin.read()
""")


@pytest.fixture
def store(tmp_path):
    """Return a store with a run, the state that the run needs, and a state that no run needs."""
    made = Store(tmp_path / "store")
    made.states.write("k0", state(0.0))
    made.states.write("k1", state(1.0))
    made.runs.write(record(0, state="k0", status="completed"))
    return made


@pytest.fixture
def begun(store):
    """Start a training in another process that has the lock of its run and has written nothing yet."""
    command = [sys.executable, "-c", HELD, str(store.root), "new"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate("")


def test_gc_is_refused_while_a_training_begins(store, begun):
    assert store.runs.active_names() == ["new"]
    with pytest.raises(
        BusyError, match="a training or another collection is running in it; run gc when it has finished"
    ):
        store.collect()
    assert store.states.names() == ["k0", "k1"]
    begun.communicate("")
    assert store.collect()[0] == ["states/k1"]
    assert [path.name for path in store.runs.root.iterdir()] == ["mine"], (
        "nor does one that wrote nothing leave a folder"
    )


def test_a_training_that_begins_during_gc_waits_for_its_end(store, monkeypatch):
    """The training waits, if it begins after the collection has decided what to remove and before it removes it."""
    waits, seen, begins = [], [], threading.Event()
    remove = maintenance.atomic_dirs.remove

    def train():
        with store.runs.lock("new", waiting=lambda text: (waits.append(text), begins.set())):
            seen.append(store.states.is_intact("k1"))

    training = threading.Thread(target=train)

    def removed(path):
        training.start()
        assert begins.wait(20), "it waits, and says so"
        assert seen == []
        remove(path)

    monkeypatch.setattr(maintenance.atomic_dirs, "remove", removed)
    assert store.collect()[0] == ["states/k1"]
    training.join(20)
    assert waits == [f"{store.root}: another process is removing unneeded files; waiting for it to finish"]
    assert seen == [False], "it sees the store as the collection left it"


def test_gc_is_refused_during_a_training_without_a_run(store):
    with store.hold_off_collections(), pytest.raises(BusyError, match="a training or another collection is running in it"):
        store.collect()
    assert store.collect()[0] == ["states/k1"]


def test_a_stop_request_ends_the_wait_for_gc(store):
    waiting = lambda text: stop.request("SIGINT")  # noqa: E731
    try:
        with (
            collection_lock.hold_exclusive(store.root),
            pytest.raises(Interrupted, match="stopped by SIGINT while waiting: a collection is in progress"),
            store.runs.lock("new", waiting=waiting),
        ):
            pass
    finally:
        stop.reset()


def test_a_second_concurrent_gc_is_refused(store):
    with collection_lock.hold_exclusive(store.root), pytest.raises(BusyError, match="another collection is running in it"):
        store.collect()


def test_a_waiter_does_not_lock_a_removed_lock_file(store):
    """A waiter does not lock a removed file: otherwise it and a later process would each hold a lock of their own."""
    waits = threading.Event()
    locks = []

    def wait():
        with store.runs.lock("new", wait=True, waiting=lambda text: waits.set()):
            locks.append(store.runs.is_alive("new"))

    waiter = threading.Thread(target=wait)
    with store.runs.lock("new"):
        waiter.start()
        assert waits.wait(20)
        store.runs.remove("new")
    waiter.join(20)
    assert locks == [True]
