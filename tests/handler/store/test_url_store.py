"""A store at a URL, on a real S3 server with network faults: complete or absent, one writer, nothing lost."""

import itertools
import json
import os
import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from handler.errors import BusyError, DamagedError, Interrupted, SpecError, StoreError
from handler.interrupt import stop
from handler.record import RunRecord
from handler.retention import Retention
from handler.store import Store, collection_lock, credentials, leases, mirror, remote
from handler.store.marker import is_absent
from tests.handler.store.test_states import ARRAYS, state_of
from tests.s3_server import BUCKET, KEYS

pytestmark = pytest.mark.timeout(300)
COUNTER = itertools.count()


@pytest.fixture
def url(s3):
    s3.fault = lambda method, path: None
    yield f"s3://{BUCKET}/store-{next(COUNTER)}"
    s3.fault = lambda method, path: None


@pytest.fixture
def machine(s3, url, monkeypatch, tmp_path):
    """Return a function that makes machines with access to the store, each with its own working directory."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, "PAUSE", 0.01)

    def make(name):
        monkeypatch.setenv("FROSTLINE_CACHE", str(tmp_path / name))
        return Store(url)

    return make


def recorded(store, run, state):
    now = datetime.now(UTC).isoformat()
    store.runs.write(RunRecord(run=run, status="completed", key=state, seed=0, training_epochs=1, started=now, updated=now,
                               spec_folder=".", state=state))  # fmt: skip


def equal(one, other):
    return list(one) == list(other) and all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_what_one_machine_writes_another_reads_to_the_bit(machine):
    one, other = machine("one"), machine("other")
    assert one.root != other.root
    one.states.write("k1", state_of(**ARRAYS), about={"found": {}})
    one.states.write("k2", state_of(**{**ARRAYS, "model/0003 seed": np.array([9], "uint32")}), parent="k1")
    one.prefit.write("p", {"x": np.arange(9.0)}, {"of": "x"})
    recorded(one, "run", state="k2")
    assert other.states.names() == ["k1", "k2"]
    assert other.states.intact("k2")
    assert equal(other.states.read("k1").arrays, ARRAYS)
    assert other.states.read("k2").arrays["model/0003 seed"].tolist() == [9]
    found = other.prefit.read("p")
    assert found is not None
    assert found[0]["x"].tolist() == list(range(9))
    assert other.runs.names() == ["run"]
    assert other.runs.read("run") == one.runs.read("run")
    assert other.verify() == []


def test_a_commit_takes_three_requests_beyond_those_of_the_data(machine, s3):
    store = machine("one")
    parts = {f"model/{n:04d} kernel": np.random.default_rng(n).random(2**21, "float32") for n in range(5)}  # 40 MB
    s3.requests.clear()
    store.states.write("k1", state_of(**parts))
    chunks = sum(file["path"].startswith("variables.zarr/c/") for file in store.states.manifest("k1")["files"])
    assert chunks >= 3
    assert s3.requests.total() <= chunks + 3


class Killed(BaseException):
    """The death of a machine between two requests."""


def test_a_writer_that_dies_before_any_of_its_requests_leaves_all_or_nothing(machine, monkeypatch):
    reader, tried = machine("reader"), remote.Remote._try
    reader.states.write("parent", state_of(**ARRAYS))
    visible = []
    for last in itertools.count():
        left = itertools.count()

        def dying(self, kind, name, call, left=left, last=last):
            if next(left) == last:
                raise Killed
            return tried(self, kind, name, call)

        writer = machine(f"writer-{last}")
        assert writer.states.intact("parent")
        monkeypatch.setattr(remote.Remote, "_try", dying)
        try:
            writer.states.write("k", state_of(**ARRAYS, more=np.ones(9)), parent="parent")
            died = False
        except Killed:
            died = True
        monkeypatch.setattr(remote.Remote, "_try", tried)
        visible.append("k" in reader.states.names())
        if visible[-1]:
            assert machine(f"reader-{last}").states.read("k").arrays["more"].tolist() == [1] * 9
        assert reader.verify() == []
        if not died:
            break
    assert len(visible) >= 4
    assert visible == sorted(visible), "visible from the commit on, and before it not at all"
    assert not visible[0]


@pytest.mark.service
@pytest.mark.parametrize("seed", range(4))
def test_errors_slow_answers_and_cut_connections_change_nothing(machine, s3, seed):
    writer, names = machine("writer"), [f"k{n}" for n in range(6)]
    s3.failed.clear()
    s3.unreliable(seed, 0.3)
    content = {}
    for n, name in enumerate(names):
        content[name] = {**ARRAYS, "model/0000 kernel": np.full((3, 4), n, "float32")}
        writer.states.write(name, state_of(**content[name]), parent=names[n - 1] if n else None, snapshot=n % 2 == 1)
    recorded(writer, "run", state="k4")
    with writer.runs.lock("run"):
        reader = machine("reader")
        assert reader.runs.is_alive("run")
        assert [name for name in names if not reader.states.intact(name)] == []
        for name in names:
            assert equal(reader.states.read(name).arrays, content[name])
        assert reader.runs.read("run") == writer.runs.read("run")
    assert not reader.runs.is_alive("run")
    reader.states.drop_snapshots(["k5"])
    assert machine("third").states.names() == names[:5]
    assert reader.verify() == []
    assert s3.failed.total() > 10


def test_two_machines_that_write_the_same_state_at_once_leave_one_that_is_whole(machine, s3, url):
    machines = [machine(f"machine-{n}") for n in range(4)]
    failed = []

    def write(store):
        try:
            store.states.write("k", state_of(**ARRAYS))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(store,)) for store in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert equal(machine("reader").states.read("k").arrays, ARRAYS)
    assert machines[0].verify() == []
    kept = [name for name in s3.objects(f"{url.partition(BUCKET + '/')[2]}/states/k/") if name.endswith("zarr.json")]
    assert len(kept) == 1


def test_what_was_changed_there_is_found_named_and_written_anew(machine, s3, url):
    machine("one").states.write("k", state_of(**ARRAYS))
    name = next(name for name in s3.objects(url.partition(f"{BUCKET}/")[2]) if "/c/0" in name)
    s3.client.put_object(Bucket=BUCKET, Key=name, Body=b"something else")
    other = machine("other")
    assert not other.states.intact("k")
    (damage,) = other.verify()
    assert damage.path.endswith("/c/0")
    assert "doesn't match its checksum" in damage.what
    with pytest.raises(DamagedError, match="doesn't match its checksum"):
        other.states.read("k")
    other.states.write("k", state_of(**ARRAYS))
    assert equal(machine("third").states.read("k").arrays, ARRAYS)
    assert other.verify() == []


def test_a_snapshot_that_one_machine_keeps_another_does_not_drop(machine):
    one, other = machine("one"), machine("other")
    one.states.write("k", state_of(**ARRAYS), snapshot=True)
    assert other.states.intact("k")
    assert one.states.keep("k")
    assert other.states.manifest("k")["snapshot"], "it hasn't heard of that"
    other.states.drop_snapshots(["k"])
    assert machine("third").states.names() == ["k"]
    one.states.write("gone", state_of(**ARRAYS), snapshot=True)
    other.states.drop_snapshots(["gone"])
    assert not one.states.keep("gone")
    one.states.write("gone", state_of(**ARRAYS))
    assert equal(machine("fourth").states.read("gone").arrays, ARRAYS)


def test_one_machine_is_at_work_on_a_run_and_the_other_is_told_which(machine):
    one, other = machine("one"), machine("other")
    with one.runs.lock("run"):
        assert other.runs.is_alive("run")
        with pytest.raises(BusyError, match=r"run 'run' is being used by process \d+ on \S+; wait for it to end"), other.runs.lock("run"):
            pass
    assert not other.runs.is_alive("run")
    with other.runs.lock("run"):
        assert one.runs.is_alive("run")


def test_the_lock_of_a_machine_that_went_away_runs_out(machine, monkeypatch):
    monkeypatch.setenv(leases.SECONDS, "0.8")
    one, other = machine("one"), machine("other")
    gone = leases.lease_on(one.runs.folder("run") / "lock")
    monkeypatch.setattr(gone, "_renew", lambda: None)
    assert gone.take()
    assert not leases.lease_on(other.runs.folder("run") / "lock").take()
    with other.runs.lock("run", wait=True):
        time.sleep(2)  # the lease is renewed meanwhile
        assert machine("third").runs.is_alive("run")
    assert not machine("third").runs.is_alive("run")


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 1e12])
def test_a_machine_whose_clock_is_wrong_holds_a_lease_as_long_as_it_renews_it(machine, monkeypatch, ahead):
    monkeypatch.setenv(leases.SECONDS, "0.8")
    one, other = machine("one"), machine("other")
    held = leases.lease_on(one.runs.folder("run") / "lock")
    body = held._body
    monkeypatch.setattr(held, "_body", lambda good_for: json.dumps(json.loads(body(good_for)) | {"until": good_for and time.time() + ahead}).encode())
    assert held.take()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert other.runs.is_alive("run"), "it is renewed"
        time.sleep(0.3)
    held._over.set()  # as if its machine were gone
    began = time.monotonic()
    with other.runs.lock("run", wait=True):
        assert time.monotonic() - began < 6


@pytest.mark.parametrize(("conditions", "said"), [("ignored", "ignores"), ("refused", "rejects")])
def test_a_service_that_keeps_no_conditions_is_refused_before_anything_is_trained(machine, s3, url, monkeypatch, conditions, said):
    monkeypatch.setattr(s3, "conditions", conditions)
    remote.remote_at.cache_clear()
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
    assert s3.requests["PUT"] - before == 1, "the lease alone: the service is asked once"


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("s3", r"set AWS_ACCESS_KEY_ID .* Those in ~/\.aws are not read"),
        ("gs", "set GOOGLE_APPLICATION_CREDENTIALS to the path"),
        ("az", "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_missing_credentials_are_said_within_seconds_and_how_they_are_given(scheme, said, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    source = credentials.SOURCES[scheme]
    for name in [name for name in os.environ if source.names.fullmatch(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(source.endpoint, "192.0.2.1" if scheme == "gs" else "http://192.0.2.1")  # no host there
    began = time.monotonic()
    with pytest.raises(SpecError, match=rf"^store: {scheme}://elsewhere/store needs credentials: {said}"):
        Store(f"{scheme}://elsewhere/store")
    assert time.monotonic() - began < 10
    if source.file:
        (tmp_path / source.file).mkdir(parents=True)
        credentials.require_credentials(f"{scheme}://elsewhere/store")


def test_a_scheme_in_capitals_is_that_scheme(machine, url, tmp_path):
    store = Store(url.replace("s3://", "S3://"))
    assert mirror.remote_of(store.root)[0].url == url
    assert store.root == Store(url).root
    with pytest.raises(SpecError, match=r"^store: FTP:// isn't a kind of store; use a path, or one of s3://, gs://, az://"):
        Store("FTP://bucket/store")


def test_who_loses_a_lease_is_asked_to_stop(machine, monkeypatch):
    monkeypatch.setenv(leases.SECONDS, "0.8")
    one = machine("one")
    path = one.runs.folder("run") / "lock"
    lease = leases.lease_on(path)
    assert lease.take()
    try:
        lease.remote.put(lease.name, json.dumps({"token": "another's", "until": time.time() + 60, "good_for": 60, "holder": "x"}).encode())
        end = time.monotonic() + 10
        while not stop.requested and time.monotonic() < end:
            time.sleep(0.05)
        assert "lease" in stop.reason
        lease.release()
        assert leases.holder_of(path) == "x", "it is another's"
    finally:
        stop.reset()


def test_collection_removes_there_what_no_run_needs(machine, s3, url):
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


def test_what_another_machine_removed_is_put_there_again_by_one_that_has_it_still(machine):
    one, other = machine("one"), machine("other")
    one.states.write("k", state_of(**ARRAYS))
    recorded(one, "run", state="k")
    other.states.remove("k")
    other.runs.remove("run")
    assert one.runs.names() == []
    assert one.states.names() == []
    assert not one.states.intact("k")
    one.states.write("k", state_of(**ARRAYS))
    assert one.states.intact("k")
    assert equal(machine("third").states.read("k").arrays, ARRAYS)


def test_collection_removes_there_what_dead_writers_left_once_it_is_a_day_old(machine, s3, url, monkeypatch):
    one, prefix = machine("one"), url.partition(f"{BUCKET}/")[2]
    for key in ("k1", "dropped"):
        one.states.write(key, state_of(**ARRAYS), snapshot=key == "dropped")
    one.states.drop_snapshots(["dropped"])
    recorded(one, "run", state="k1")
    far, name = mirror.remote_of(one.states.folder("k1"))
    far.put(f"{name}/dead/variables.zarr/c/0", b"half")
    far.put("states/k2/dead/variables.zarr/c/0", b"half")
    dead = {f"{prefix}/states/{left}" for left in ("k1/dead/variables.zarr/c/0", "k2/dead/variables.zarr/c/0", "dropped.commit")}
    before = set(s3.objects(prefix))
    assert dead < before
    assert one.collect()[0] == [], "they are in the writing, perhaps"
    monkeypatch.setattr(mirror, "LEFT_SECONDS", -1)
    assert set(machine("other").collect()[0]) == {name.removeprefix(f"{prefix}/") for name in dead}
    assert set(s3.objects(prefix)) - {f"{prefix}/collection"} == before - dead  # the object of the collection's lock
    assert equal(machine("third").states.read("k1").arrays, ARRAYS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s3://key:secret@bucket/x", "without credentials or a query"),
        ("s3://bucket/x?secret=1", "without credentials or a query"),
        ("s3://bucket/../other", "without credentials or a query"),
        ("http://bucket/x", "http:// isn't a kind of store; use a path, or one of s3://, gs://, az://"),
        ("file:///etc", "file:// isn't a kind of store"),
    ],
)
def test_a_url_that_is_none_of_a_store_is_refused_and_its_secret_not_repeated(given, said):
    with pytest.raises(SpecError, match=said) as refused:
        Store(given)
    assert "secret" not in str(refused.value)


def test_a_bucket_that_is_not_there_is_told_in_a_sentence_without_secrets(machine, monkeypatch):
    machine("one")
    with pytest.raises(StoreError, match=r"s3://none-such/x/states: list failed \(.*404.*\); is there such a bucket") as refused:
        Store("s3://none-such/x").states.names()
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_manifest_that_leads_out_of_its_directory_is_not_followed(machine, s3, url, tmp_path):
    one = machine("one")
    one.states.write("k", state_of(**ARRAYS))
    far, name = mirror.remote_of(one.states.folder("k"))
    commit = json.loads(far.get(name + mirror.COMMIT)[0])
    commit["manifest"] = commit["manifest"].replace("variables.zarr/zarr.json", "../../../escaped")
    far.put(name + mirror.COMMIT, json.dumps(commit).encode())
    other = machine("other")
    assert not other.states.intact("k")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("marked", [False, True])
def test_only_what_is_a_store_is_collected(machine, monkeypatch, marked):
    one = machine("one")
    far, _ = mirror.remote_of(one.root)
    monkeypatch.setattr(mirror, "LEFT_SECONDS", -1)
    assert is_absent(one.root)
    far.put("states/holiday/picture.jpg", b"the user's")
    with pytest.raises(SpecError, match=f"{far.url} isn't a store of Frostline, so nothing is removed from it"):
        one.collect()
    assert far.get("states/holiday/picture.jpg") is not None
    assert not is_absent(one.root)
    if marked:
        with one.runs.lock("run"):
            pass
    else:
        one.states.write("k1", state_of(**ARRAYS))  # as in a store older than the marker
    assert "states/holiday/picture.jpg" in machine("other").collect()[0]


def test_a_training_on_one_machine_and_a_collection_on_another_exclude_each_other(machine):
    one, other, told = machine("one"), machine("other"), []
    one.states.write("k1", state_of(**ARRAYS))
    with one.runs.lock("new"), pytest.raises(BusyError, match=r"new is at work; collect when it has ended"):
        other.collect()
    with collection_lock.alone(other.root):
        threading.Timer(1.0, lambda: stop.request("SIGINT")).start()
        try:
            with pytest.raises(Interrupted, match="a collection is in progress"), one.runs.lock("new", waiting=told.append):
                pass
        finally:
            stop.reset()
    assert "what no run needs is being removed; waiting" in told[0]
    assert other.collect()[0] == ["states/k1"]
