"""A store at a URL, on a real S3 server with network faults: complete or absent, one writer, nothing lost."""

import itertools
import json
import threading

import numpy as np
import pytest

from handler.errors import DamagedError
from handler.store import object_store, remote_dirs
from handler.store.checksums import with_checksum
from tests.handler.store.examples import ARRAYS, equal, recorded, state_of
from tests.s3_server import BUCKET

pytestmark = pytest.mark.timeout(300)


def test_another_machine_reads_a_store_at_a_url_bit_identically(machine):
    one, other = machine("one"), machine("other")
    assert one.root != other.root
    one.states.write("k1", state_of(**ARRAYS), metadata={"found": {}})
    one.states.write("k2", state_of(**{**ARRAYS, "model/0003 seed": np.array([9], "uint32")}), parent="k1")
    one.prefit.write("p", {"x": np.arange(9.0)}, {"of": "x"})
    recorded(one, "run", state="k2")
    assert other.states.names() == ["k1", "k2"]
    assert other.states.is_intact("k2")
    assert equal(other.states.read("k1").arrays, ARRAYS)
    assert other.states.read("k2").arrays["model/0003 seed"].tolist() == [9]
    arrays = other.prefit.read("p")
    assert arrays is not None
    assert arrays[0]["x"].tolist() == list(range(9))
    assert other.runs.names() == ["run"]
    assert other.runs.read("run") == one.runs.read("run")
    assert other.verify() == []


def test_a_commit_takes_at_most_three_requests_beyond_the_data(machine, s3):
    store = machine("one")
    parts = {f"model/{n:04d} kernel": np.random.default_rng(n).random(2**21, "float32") for n in range(5)}  # 40 MB
    s3.requests.clear()
    store.states.write("k1", state_of(**parts))
    chunks = sum(file["path"].startswith("variables.zarr/c/") for file in store.states.manifest("k1")["files"])
    assert chunks >= 3
    assert s3.requests.total() <= chunks + 3


class Killed(BaseException):
    """The death of a machine between two requests."""


def test_a_killed_writer_leaves_a_complete_state_or_none(machine, monkeypatch):
    reader, tried = machine("reader"), object_store.Remote.request
    reader.states.write("parent", state_of(**ARRAYS))
    visible = []
    for last in itertools.count():
        left = itertools.count()

        def dying(self, kind, name, call, left=left, last=last):
            if next(left) == last:
                raise Killed
            return tried(self, kind, name, call)

        writer = machine(f"writer-{last}")
        assert writer.states.is_intact("parent")
        monkeypatch.setattr(object_store.Remote, "request", dying)
        try:
            writer.states.write("k", state_of(**ARRAYS, more=np.ones(9)), parent="parent")
            died = False
        except Killed:
            died = True
        monkeypatch.setattr(object_store.Remote, "request", tried)
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
def test_network_faults_change_no_content(machine, s3, seed):
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
        assert [name for name in names if not reader.states.is_intact(name)] == []
        for name in names:
            assert equal(reader.states.read(name).arrays, content[name])
        assert reader.runs.read("run") == writer.runs.read("run")
    assert not reader.runs.is_alive("run")
    reader.states.drop_snapshots(["k5"])
    assert machine("third").states.names() == names[:5]
    assert reader.verify() == []
    assert s3.failed.total() > 10


def test_concurrent_writers_of_one_state_leave_one_intact_copy(machine, s3, url):
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


@pytest.fixture
def other(machine, s3, url):
    """Return a machine that shares a store in which one object of a state was changed."""
    machine("one").states.write("k", state_of(**ARRAYS))
    name = next(name for name in s3.objects(url.partition(f"{BUCKET}/")[2]) if "/c/0" in name)
    s3.client.put_object(Bucket=BUCKET, Key=name, Body=b"something else")
    return machine("other")


def test_a_changed_object_is_named(other):
    assert not other.states.is_intact("k")
    (damage,) = other.verify()
    assert damage.path.endswith("/c/0")
    assert "doesn't match its checksum" in damage.what
    with pytest.raises(DamagedError, match="doesn't match its checksum"):
        other.states.read("k")


def test_a_state_with_a_changed_object_is_written_again(other, machine):
    assert not other.states.is_intact("k")
    other.states.write("k", state_of(**ARRAYS))
    assert equal(machine("third").states.read("k").arrays, ARRAYS)
    assert other.verify() == []


def test_a_snapshot_promoted_on_one_machine_is_not_dropped_on_another(machine):
    one, other = machine("one"), machine("other")
    one.states.write("k", state_of(**ARRAYS), snapshot=True)
    assert other.states.is_intact("k")
    assert one.states.promote_snapshot("k")
    assert other.states.manifest("k")["snapshot"], "it hasn't heard of that"
    other.states.drop_snapshots(["k"])
    assert machine("third").states.names() == ["k"]


def test_a_snapshot_dropped_on_another_machine_is_written_again(machine):
    one, other = machine("one"), machine("other")
    one.states.write("gone", state_of(**ARRAYS), snapshot=True)
    other.states.drop_snapshots(["gone"])
    assert not one.states.promote_snapshot("gone")
    one.states.write("gone", state_of(**ARRAYS))
    assert equal(machine("third").states.read("gone").arrays, ARRAYS)


def test_a_state_removed_by_another_machine_is_uploaded_again(machine):
    one, other = machine("one"), machine("other")
    one.states.write("k", state_of(**ARRAYS))
    recorded(one, "run", state="k")
    other.states.remove("k")
    other.runs.remove("run")
    assert one.runs.names() == []
    assert one.states.names() == []
    assert not one.states.is_intact("k")
    one.states.write("k", state_of(**ARRAYS))
    assert one.states.is_intact("k")
    assert equal(machine("third").states.read("k").arrays, ARRAYS)


def test_a_manifest_path_that_leaves_its_directory_is_not_followed(machine, s3, url, tmp_path):
    one = machine("one")
    one.states.write("k", state_of(**ARRAYS))
    far, name = remote_dirs.find_remote(one.states.folder("k"))
    commit = json.loads(far.get(name + remote_dirs.COMMIT)[0])
    manifest = json.loads(commit["manifest"].replace("variables.zarr/zarr.json", "../../../escaped"))
    commit["manifest"] = with_checksum({k: v for k, v in manifest.items() if k != "checksum"}).decode()
    far.put(name + remote_dirs.COMMIT, json.dumps(commit).encode())
    other = machine("other")
    with pytest.raises(DamagedError, match=r"names '\.\./\.\./\.\./escaped', which is outside the folder"):
        remote_dirs.fetch(other.states.folder("k"))
    assert not other.states.is_intact("k")
    assert not list(tmp_path.rglob("escaped"))
