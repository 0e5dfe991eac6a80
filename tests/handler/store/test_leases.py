"""The locks of a store at a URL: leases on a real S3 server, one machine at a time, no lock of a lost machine."""

import json
import threading
import time

import pytest

from handler.errors import BusyError, Interrupted, SpecError
from handler.stop_flag import stop
from handler.store import collection_lock, leases, object_store
from handler.store.remote_dirs import find_remote
from tests.handler.store.examples import ARRAYS, state_of
from tests.s3_server import BUCKET

pytestmark = pytest.mark.timeout(300)


def test_the_lock_of_a_run_excludes_other_machines(machine):
    one, other = machine("one"), machine("other")
    with one.runs.lock("run"):
        assert other.runs.is_alive("run")
        with pytest.raises(BusyError, match=r"run 'run' is being used by process \d+ on \S+; wait for it to end"), other.runs.lock("run"):
            pass
    assert not other.runs.is_alive("run")
    with other.runs.lock("run"):
        assert one.runs.is_alive("run")


def test_the_lease_of_a_lost_machine_expires(machine, monkeypatch):
    monkeypatch.setenv(leases.SECONDS, "0.8")
    one, other = machine("one"), machine("other")
    gone = leases.new_lease(one.runs.folder("run") / "lock")
    assert gone.take()
    gone.stop_renewing()
    assert not leases.new_lease(other.runs.folder("run") / "lock").take()
    with other.runs.lock("run", wait=True):
        time.sleep(2)  # the lease is renewed meanwhile
        assert machine("third").runs.is_alive("run")
    assert not machine("third").runs.is_alive("run")


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 1e12])
def test_a_wrong_clock_does_not_end_a_renewed_lease(machine, monkeypatch, ahead):
    monkeypatch.setenv(leases.SECONDS, "0.8")
    one, other = machine("one"), machine("other")
    lease = leases.Lease(*find_remote(one.runs.folder("run") / "lock"), clock=lambda: time.time() + ahead)
    assert lease.take()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert other.runs.is_alive("run"), "it is renewed"
        time.sleep(0.3)
    lease.stop_renewing()  # as if its machine were gone
    began = time.monotonic()
    with other.runs.lock("run", wait=True):
        assert time.monotonic() - began < 6


@pytest.mark.parametrize(("conditions", "said"), [("ignored", "ignores"), ("refused", "rejects")])
def test_a_service_without_conditional_puts_is_refused(machine, s3, url, monkeypatch, conditions, said):
    monkeypatch.setattr(s3, "conditions", conditions)
    object_store.remote_at.cache_clear()
    store = machine("one")
    wanted = rf"^store: {url}: the service {said} conditional puts \(If-None-Match\), so it can't lock a run; use another service, or a folder"
    with pytest.raises(SpecError, match=wanted), store.runs.lock("run"):
        pass
    assert store.runs.names() == [], "what only reads asks for no locks"
    assert [name.rpartition("/")[2] for name in s3.objects(url.partition(f"{BUCKET}/")[2])] == [".frostline-store"]
    monkeypatch.setattr(s3, "conditions", "kept")
    with store.runs.lock("run"):
        pass
    before = s3.requests["PUT"]
    with store.runs.lock("run"):
        pass
    assert s3.requests["PUT"] - before == 1, "one request: the lease only"


def test_a_lost_lease_stops_the_training(machine, monkeypatch):
    monkeypatch.setenv(leases.SECONDS, "0.8")
    one = machine("one")
    path = one.runs.folder("run") / "lock"
    lease = leases.new_lease(path)
    assert lease.take()
    try:
        lease.remote.put(lease.name, json.dumps({"token": "another's", "until": time.time() + 60, "good_for": 60, "holder": "x"}).encode())
        end = time.monotonic() + 10
        while not stop.requested and time.monotonic() < end:
            time.sleep(0.05)
        assert "lease" in stop.reason
        lease.release()
        assert leases.read_holder(path) == "x", "it is another's"
    finally:
        stop.reset()


def test_training_and_gc_on_two_machines_exclude_each_other(machine):
    one, other, waits = machine("one"), machine("other"), []
    one.states.write("k1", state_of(**ARRAYS))
    with one.runs.lock("new"), pytest.raises(BusyError, match=r"new is running; run gc when it has finished"):
        other.collect()
    with collection_lock.hold_exclusive(other.root):
        threading.Timer(1.0, lambda: stop.request("SIGINT")).start()
        try:
            with pytest.raises(Interrupted, match="a collection is in progress"), one.runs.lock("new", waiting=waits.append):
                pass
        finally:
            stop.reset()
    assert "another process is removing unneeded files; waiting" in waits[0]
    assert other.collect()[0] == ["states/k1"]
