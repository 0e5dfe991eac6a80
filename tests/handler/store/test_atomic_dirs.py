"""A sealed directory is complete or absent, and every damage is detected and named."""

import errno
import json
import shutil

import pytest

from handler.errors import DamagedError, StoreError
from handler.store import atomic_dirs, atomic_files


def seal_two(target, text="one"):
    def fill(folder):
        (folder / "a").write_text(text)
        (folder / "deep").mkdir()
        (folder / "deep" / "b").write_bytes(b"\0" * 100)

    atomic_dirs.commit_dir(target, {"says": "k"}, fill)


def test_a_sealed_directory_lists_every_file_in_its_manifest(tmp_path):
    seal_two(tmp_path / "x")
    manifest = atomic_dirs.read_manifest(tmp_path / "x")
    assert (manifest["key"], manifest["says"]) == ("x", "k")
    assert [entry["path"] for entry in manifest["files"]] == ["a", "deep/b"]
    assert atomic_dirs.damages(tmp_path / "x", deep=True) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x"]


DAMAGES = {
    "flipped byte": (lambda x: (x / "a").write_text("two"), "a", "content doesn't match", True),
    "longer": (lambda x: (x / "a").write_text("longer"), "a", "has 6 bytes, the manifest says 3", False),
    "cut": (lambda x: (x / "deep" / "b").write_bytes(b"\0" * 99), "deep/b", "has 99 bytes, the manifest says 100", False),
    "missing": (lambda x: (x / "deep" / "b").unlink(), "deep/b", "is missing", False),
    "a whole folder missing": (lambda x: shutil.rmtree(x / "deep"), "deep/b", "is missing", False),
    "unlisted": (lambda x: (x / "new").write_text("?"), "new", "is not in the manifest", False),
    "empty manifest": (lambda x: (x / "manifest.json").write_text(""), "manifest.json", "is incomplete", False),
    "cut manifest": (lambda x: (x / "manifest.json").write_text('{"format": 1, "fi'), "manifest.json", "is incomplete", False),
    "manifest of another kind": (lambda x: (x / "manifest.json").write_text("[1]"), "manifest.json", "is incomplete", False),
    "no manifest": (lambda x: (x / "manifest.json").unlink(), "manifest.json", "can't be read (No such file", False),
    "altered manifest": (lambda x: edit(x, says="other"), "manifest.json", "checksum doesn't match", False),
    "later format": (lambda x: edit(x, format=2), "manifest.json", "has format 2, this version reads 1", False),
    "a file instead": (lambda x: (shutil.rmtree(x), x.write_text("")), "manifest.json", "can't be read (Not a dir", False),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_of_a_sealed_directory_is_named(tmp_path, damage):
    do, file, what, deep = DAMAGES[damage]
    target = tmp_path / "x"
    seal_two(target)
    assert atomic_dirs.damages(target, deep=True) == []
    do(target)
    damages = atomic_dirs.damages(target, deep=deep)
    assert [d.path for d in damages] == [str(target / file)]
    assert what in damages[0].what


def edit(target, **changes):
    file = target / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_shallow_check_reads_the_zarr_description(tmp_path):
    atomic_dirs.commit_dir(tmp_path / "x", {}, lambda folder: (folder / "zarr.json").write_text('{"order": "C"}') and None)
    assert atomic_dirs.damages(tmp_path / "x") == []
    (tmp_path / "x" / "zarr.json").write_text('{"order": "F"}')
    assert "content doesn't match" in atomic_dirs.damages(tmp_path / "x")[0].what


def test_sealing_over_an_intact_directory_changes_nothing(tmp_path):
    target = tmp_path / "x"
    seal_two(target)
    stamp = (target / "a").stat().st_ino
    seal_two(target, "two")
    assert (target / "a").stat().st_ino == stamp


def test_sealing_over_a_damaged_directory_quarantines_and_replaces_it(tmp_path):
    target = tmp_path / "x"
    seal_two(target)
    (target / "a").write_text("bad")
    seal_two(target, "two")
    assert (target / "a").read_text() == "two"
    assert atomic_dirs.damages(target, deep=True) == []
    aside = [p for p in tmp_path.iterdir() if p.name.startswith(".damaged-")]
    assert [(p / "a").read_text() for p in aside] == ["bad"]


def test_of_two_concurrent_writers_the_first_one_wins(tmp_path):
    target = tmp_path / "x"

    def fill(folder):
        if not target.exists():  # the other writer is faster
            seal_two(target, "first")
        (folder / "a").write_text("second")

    atomic_dirs.commit_dir(target, {}, fill)
    assert (target / "a").read_text() == "first"
    assert atomic_dirs.damages(target, deep=True) == []
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_failed_writer_leaves_the_previous_directory(tmp_path):
    target = tmp_path / "x"
    seal_two(target)
    (target / "a").write_text("bad")

    def fill(folder):
        (folder / "a").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match=r"x: can't be written \(No space left on device\); make room .* unchanged"):
        atomic_dirs.commit_dir(target, {}, fill)
    assert (target / "a").read_text() == "bad"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_manifest_is_updated_atomically(tmp_path, monkeypatch):
    seal_two(tmp_path / "x")
    seen = []
    rename = atomic_files.Path.replace
    monkeypatch.setattr(
        atomic_files.Path, "replace", lambda a, b: (seen.append(atomic_dirs.damages(tmp_path / "x", deep=True)), rename(a, b))[1]
    )
    atomic_dirs.update_manifest(tmp_path / "x", says="new")
    assert seen == [[]], "as after a kill"
    assert atomic_dirs.read_manifest(tmp_path / "x")["says"] == "new"
    assert atomic_dirs.damages(tmp_path / "x", deep=True) == []


def test_quarantining_renames_the_directory(tmp_path):
    seal_two(tmp_path / "x")
    atomic_files.quarantine(tmp_path / "x")
    assert [p.name.startswith(".damaged-") for p in tmp_path.iterdir()] == [True]
    with pytest.raises(DamagedError, match="can't be read"):
        atomic_dirs.read_manifest(tmp_path / "x")
    atomic_files.quarantine(tmp_path / "x")  # missing, as if another process had moved it
