"""Files are written under another name, synced and renamed; only leftovers of dead writers are swept up."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from handler.errors import StoreError
from handler.store import atomic_dirs, atomic_files


@pytest.fixture
def order(monkeypatch):
    """Record syncs and renames in order, as `("sync", path)` and `("rename", path)`, with the final paths."""
    seen, fsync = [], os.fsync

    def synced(descriptor):
        seen.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def renamed(original):
        def rename(source, target):
            seen.append(("rename", str(target)))
            seen[:] = [(what, path.replace(str(source), str(target))) for what, path in seen]
            return original(source, target)

        return rename

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed(Path.rename))
    monkeypatch.setattr(Path, "replace", renamed(Path.replace))
    return seen


def test_a_file_is_synced_before_and_its_folder_after_the_rename(tmp_path, order):
    target = tmp_path / "deep" / "er" / "file"
    atomic_files.write_file(target, b"text")
    assert order == [
        ("sync", str(tmp_path)),  # the new directories
        ("sync", str(tmp_path / "deep")),
        ("sync", str(target)),
        ("rename", str(target)),
        ("sync", str(target.parent)),
    ]


def test_a_sealed_directory_is_synced_files_first_and_manifest_last(tmp_path, order):
    def fill(folder):
        (folder / "a").mkdir()
        (folder / "a" / "one").write_text("1")
        (folder / "two").write_text("2")

    target = tmp_path / "x"
    atomic_dirs.commit_dir(target, {}, fill)
    at = {path: order.index(("sync", str(path))) for path in (target, *target.rglob("*"))}
    manifest, renamed = at.pop(target / "manifest.json"), order.index(("rename", str(target)))
    assert all(at[file] < manifest for file in (target / "a" / "one", target / "two"))
    assert manifest < at[target] < renamed
    assert at[target / "a"] < renamed
    assert ("sync", str(tmp_path)) in order[renamed:]


def test_a_removal_renames_and_syncs_before_it_deletes(tmp_path, order, monkeypatch):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "file").write_text("")
    rmtree = atomic_files.shutil.rmtree
    monkeypatch.setattr(atomic_files.shutil, "rmtree", lambda path, **more: (order.append(("remove", "")), rmtree(path, **more)))
    atomic_files.remove(tmp_path / "x")
    assert [what for what, _ in order] == ["rename", "sync", "remove"]
    assert list(tmp_path.iterdir()) == []
    atomic_files.remove(tmp_path / "x")  # missing, as if another process had removed it


def test_a_stale_temporary_file_is_removed_despite_a_reused_process_id(tmp_path):
    code = f"""
        import os, signal
        from pathlib import Path
        from handler.store import atomic_files
        with atomic_files.atomic_write(Path({str(tmp_path / "file")!r})) as beside:
            beside.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    ours = left.with_name(f".tmp-{os.getpid()}-{left.name.split('-', 2)[2]}")
    left.rename(ours)  # its process id is that of a living process
    assert atomic_files.stale_files(tmp_path) == [ours]
    atomic_files.remove_stale_files(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_being_written_is_not_removed(tmp_path):
    with atomic_files.atomic_write(tmp_path / "file") as beside:
        beside.write_text("text")
        assert atomic_files.stale_files(tmp_path) == []
        atomic_files.remove_stale_files(tmp_path)
        asked = f"from handler.store import atomic_files; from pathlib import Path; atomic_files.remove_stale_files(Path({str(tmp_path)!r}))"
        subprocess.run([sys.executable, "-c", asked], check=True)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file", "text")]


def test_concurrent_writes_and_sweeps_do_not_interfere(tmp_path):
    faults = []

    def write(number):
        try:
            for turn in range(40):
                atomic_files.write_file(tmp_path / f"{number}", f"{turn}".encode())
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {f"{number}": "39" for number in range(6)}


def test_a_foreign_folder_with_a_similar_name_is_not_removed(tmp_path):
    for name in (".tmp-mine", ".tmp-1-2-3", ".tmp-77-abcdef0-x"):
        (tmp_path / name).mkdir()
    atomic_files.write_file(tmp_path / "predicted.npz", b"")
    atomic_files.remove_stale_files(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_with_the_longest_possible_name_is_written(tmp_path):
    name = "n" * 250 + ".npz"
    atomic_files.write_file(tmp_path / name, b"x")
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, r"\(No space left on device\); make room on that disk"),
        (errno.EDQUOT, r"\(Disk quota exceeded\); the quota is used up"),
        (errno.EFBIG, r"\(File too large\); this process may not write"),
        (errno.EACCES, r"\(Permission denied\); this user may not write there"),
        (errno.EROFS, r"\(Read-only file system\); it is mounted for reading only"),
        (errno.EIO, r"\(Input/output error\); the disk fails"),
        (errno.EMFILE, r"\(Too many open files\); try again when this is fixed"),
    ],
)
def test_a_system_error_is_one_sentence_with_a_remedy(tmp_path, number, advice):
    (tmp_path / "file").write_text("old")

    @atomic_files.atomic_write(tmp_path / "file")
    def refused():
        raise OSError(number, os.strerror(number))

    with pytest.raises(StoreError, match=rf"file: can't be written {advice}.*; the existing file is unchanged$") as raised:
        refused()
    assert raised.value.__cause__.errno == number
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file", "old")]
