"""Locks on files and directories."""

import os

import pytest

from handler.store.file_lock import FileLock, lock_folder
from handler.store.occupied_paths import is_file


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "other").write_text("of somebody else")
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    FileLock.of_file(tmp_path / "lock").close()
    assert is_file(tmp_path / "lock")
    assert (tmp_path / "other").read_text() == "of somebody else"


@pytest.fixture
def pair(tmp_path):
    """Return two locks on one file."""
    with FileLock.of_file(tmp_path / "lock") as one, FileLock.of_file(tmp_path / "lock") as other:
        yield one, other


def test_an_exclusive_lock_has_one_holder(pair):
    one, other = pair
    assert one.acquire()
    assert not other.acquire()
    assert not other.acquire(shared=True)
    one.release()
    assert other.acquire()


def test_a_shared_lock_has_several_holders(pair):
    one, other = pair
    assert one.acquire(shared=True)
    assert other.acquire(shared=True)
    assert not one.acquire()


def test_a_closed_lock_is_free(pair):
    one, other = pair
    one.acquire()
    one.close()
    one.close()
    assert other.acquire()


def test_the_text_of_a_lock_file_names_its_last_holder(pair):
    one, other = pair
    assert one.holder() == ""
    one.write_holder()
    assert other.holder().startswith(f"process {os.getpid()} on {os.uname().nodename} since ")


def test_a_replaced_file_is_no_longer_at_its_path(pair, tmp_path):
    one, _ = pair
    assert one.is_at(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    assert not one.is_at(tmp_path / "lock")
    (tmp_path / "lock").touch()
    assert not one.is_at(tmp_path / "lock")


def test_a_folder_is_locked_shared_or_alone(tmp_path):
    with lock_folder(tmp_path), lock_folder(tmp_path, at_once=True), pytest.raises(BlockingIOError):
        lock_folder(tmp_path, alone=True)
    with lock_folder(tmp_path, alone=True), pytest.raises(BlockingIOError):
        lock_folder(tmp_path, at_once=True)


def test_a_link_to_a_folder_is_refused_on_request(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    lock_folder(tmp_path / "link").close()
    with pytest.raises(OSError, match="link"):
        lock_folder(tmp_path / "link", follow=False)
    with pytest.raises(FileNotFoundError):
        lock_folder(tmp_path / "gone")
