"""A non-file at the place of one of the store's files is quarantined, never followed and never lost."""

import os
import socket

import numpy as np
import pytest

from handler.store import atomic_files, locks, marker
from handler.store.file_lock import FileLock
from handler.store.occupied_paths import free_place, is_file
from handler.store.store import Store
from handler.store.training_state import TrainingState


def folder(path):
    path.mkdir()
    (path / "somebody's").write_text("own")


def link(path):
    path.symlink_to(path.parent / "elsewhere" / "nothing")


def pipe(path):
    os.mkfifo(path)


def plug(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)


@pytest.fixture(params=[folder, link, pipe, plug], ids=lambda make: make.__name__)
def taken(request, tmp_path, monkeypatch):
    """Return the path of a lock at which there is a directory, a link, a pipe or a socket."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "lock"
    request.param(path)
    return path


def quarantined(path):
    return [p.name.rpartition("-")[2] for p in path.parent.iterdir() if p.name.startswith(".damaged-")]


def test_a_non_file_in_the_place_of_a_lock_is_quarantined(taken):
    FileLock.of_file(taken).close()
    assert is_file(taken)
    assert quarantined(taken) == ["lock"]


def test_a_lock_that_is_no_file_is_free(taken):
    assert not locks.is_locked(taken)


def test_a_non_file_in_the_place_of_a_store_file_is_quarantined(taken):
    atomic_files.write_file(taken, b"ours")
    assert taken.read_bytes() == b"ours"
    assert quarantined(taken) == ["lock"]


def test_a_regular_file_is_not_quarantined(tmp_path):
    (tmp_path / "lock").write_text("ours")
    free_place(tmp_path / "lock")
    assert [p.name for p in tmp_path.iterdir()] == ["lock"]


def test_verify_names_a_folder_in_the_place_of_a_result(tmp_path):
    store = Store(tmp_path)
    marker.claim_store(store.root)
    (store.root / "results" / "locks").mkdir(parents=True)
    for name in ("segment-a", "locks/b.lock"):
        folder(store.root / "results" / name)
    assert sorted(damage.path.rpartition("results/")[2] for damage in store.verify()) == ["locks/b.lock", "segment-a"]
    for name in ("segment-a", "locks/b.lock"):
        free_place(store.root / "results" / name)
    assert store.verify() == []


def test_gc_removes_quarantined_files_of_every_folder(tmp_path):
    store = Store(tmp_path)
    marker.claim_store(store.root)
    for place in (".damaged-0-digests.json", "plans/.damaged-1-plan.json", "states/.damaged-2-k"):
        (store.root / place).parent.mkdir(exist_ok=True)
        (store.root / place).write_text("quarantined")
    link(store.root / ".damaged-3-link")
    assert len(store.collect()[0]) == 4
    assert [p for p in store.root.rglob(".*") if p.name.startswith((".damaged-", ".tmp-"))] == []


@pytest.mark.parametrize("make", [link, plug, lambda path: path.write_text("in its way")], ids=["link", "plug", "file"])
def test_a_non_directory_in_the_place_of_a_state_is_quarantined(tmp_path, monkeypatch, make):
    states = Store(tmp_path).states
    states.root.mkdir()
    monkeypatch.chdir(states.root)
    make(states.root / "k")
    states.write("k", TrainingState(1, 0, {"model/w": np.ones(3)}, {}, {}, False))
    assert states.read("k").arrays["model/w"].tolist() == [1.0, 1.0, 1.0]
    assert quarantined(states.root / "k") == ["k"]
