"""Digests of files are cached with the size, the times and the inode of the file, and computed again if these change."""

import os
import subprocess
import time

import pytest
import xxhash

from handler.errors import SpecError
from handler.fingerprint.declaration import FileDigests
from handler.store.checksums import read_checked, with_checksum


def settle(file):
    """Set a file's modification time far enough into the past to be trusted; its change time can't be set."""
    os.utime(file, ns=(10**18, 10**18))


def saved(folder, file):
    """Compute a file's digest, let the folder keep it, and return it."""
    digests = FileDigests(folder)
    digest = digests.of(file)
    digests.save()
    return digest


@pytest.fixture
def settled_at_once(monkeypatch):
    """Make `FileDigests` trust files whose change time is recent."""
    monkeypatch.setattr("handler.fingerprint.declaration.SETTLED", -1)


def test_a_cached_digest_is_renewed_when_its_file_changes(tmp_path, settled_at_once):
    file, store = tmp_path / "points.las", tmp_path / "store"
    store.mkdir()
    file.write_bytes(b"first")
    settle(file)
    first = saved(store, file)
    assert first == xxhash.xxh3_128_hexdigest(b"first")

    memory = read_checked(store / "digests.json")
    about = file.stat()
    assert memory["known"] == {str(file): [5, 10**18, about.st_ctime_ns, about.st_ino, first]}
    memory["known"][str(file)][-1] = "remembered"
    (store / "digests.json").write_bytes(with_checksum(memory))
    assert FileDigests(store).of(file) == "remembered"  # from the cache, without reading the file

    text = (store / "digests.json").read_text()
    (store / "digests.json").write_text(text.replace("remembered", "remembereb"))
    assert FileDigests(store).of(file) == first, "a memory that was altered is none"
    (store / "digests.json").write_text(text)

    file.write_bytes(b"other")
    assert FileDigests(store).of(file) == xxhash.xxh3_128_hexdigest(b"other")


def test_new_content_of_the_same_size_and_times_is_detected(tmp_path, settled_at_once):
    file, other = tmp_path / "points.las", tmp_path / "other.las"
    file.write_bytes(b"first")
    other.write_bytes(b"other")
    settle(file)
    settle(other)
    saved(tmp_path, file)
    time.sleep(0.01)  # one tick of the clock of change times
    subprocess.run(["cp", "-p", other, file], check=True)
    assert file.stat().st_mtime_ns == 10**18
    assert FileDigests(tmp_path).of(file) == xxhash.xxh3_128_hexdigest(b"other")
    third = tmp_path / "third.las"
    third.write_bytes(b"third")
    settle(third)
    third.replace(file)
    assert FileDigests(tmp_path).of(file) == xxhash.xxh3_128_hexdigest(b"third")


def test_a_modification_time_after_the_change_time_is_not_trusted(tmp_path, settled_at_once):
    file = tmp_path / "points.las"
    file.write_bytes(b"first")
    os.utime(file, ns=(4 * 10**18, 4 * 10**18))  # modified later than changed, as on FAT
    saved(tmp_path, file)
    assert not (tmp_path / "digests.json").exists()


def test_the_digest_of_a_recently_changed_file_is_not_cached(tmp_path):
    file = tmp_path / "points.las"
    file.write_bytes(b"first")
    saved(tmp_path, file)
    assert not (tmp_path / "digests.json").exists()


def test_digests_create_no_store(tmp_path):
    file = tmp_path / "points.las"
    file.write_bytes(b"first")
    settle(file)
    saved(tmp_path / "store", file)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": 3}', "null"])
def test_a_damaged_cache_of_digests_is_ignored(content, tmp_path):
    (tmp_path / "digests.json").write_text(content)
    file = tmp_path / "points.las"
    file.write_bytes(b"first")
    assert FileDigests(tmp_path).of(file) == xxhash.xxh3_128_hexdigest(b"first")


def test_an_unreadable_file_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"gone.las can't be read: No such file"):
        FileDigests(None).of(tmp_path / "gone.las")
