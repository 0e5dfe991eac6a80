"""Whole or absent, and damage is found before use."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from handler.errors import DamagedError, StoreError
from handler.store import sealed


def seal_two(target, text="one"):
    def fill(folder):
        (folder / "a").write_text(text)
        (folder / "deep").mkdir()
        (folder / "deep" / "b").write_bytes(b"\0" * 100)

    return sealed.seal(target, {"key": "k"}, fill)


def test_what_was_sealed_reads_back_and_lists_every_file(tmp_path):
    manifest = seal_two(tmp_path / "x")
    assert sealed.read_manifest(tmp_path / "x") == manifest
    assert [entry["path"] for entry in manifest["files"]] == ["a", "deep/b"]
    assert sealed.damages(tmp_path / "x", deep=True) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x"]


@pytest.mark.parametrize(
    ("damage", "what", "deep"),
    [
        (lambda x: (x / "a").write_text("two"), "content doesn't match", True),
        (lambda x: (x / "a").write_text("longer"), "has 6 bytes, the manifest says 3", False),
        (lambda x: (x / "deep" / "b").unlink(), "is missing", False),
        (lambda x: (x / "new").write_text("?"), "isn't in the manifest", False),
        (lambda x: (x / "manifest.json").write_text("{"), "isn't a whole manifest", False),
        (lambda x: (x / "manifest.json").unlink(), "can't be read", False),
        (lambda x: edit(x, key="other"), "checksum doesn't match", False),
        (lambda x: edit(x, format=2), "has format 2, this version reads 1", False),
    ],
    ids=[
        "flipped byte",
        "longer",
        "missing",
        "unlisted",
        "cut manifest",
        "no manifest",
        "edited manifest",
        "later format",
    ],
)
def test_each_damage_is_found_and_named(tmp_path, damage, what, deep):
    target = tmp_path / "x"
    seal_two(target)
    damage(target)
    found = sealed.damages(target, deep=deep)
    assert len(found) == 1
    assert what in found[0].what
    assert found[0].path.startswith(str(target))


def edit(target, **changes):
    file = target / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    target = tmp_path / "x"
    seal_two(target)

    def fill(folder):
        (folder / "a").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(
        StoreError, match=r"x: can't be written \(No space left on device\); the store is as it was before"
    ):
        sealed.seal(target, {}, fill)
    assert sealed.damages(target, deep=True) == []
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("where", ["fill", "manifest", "rename"])
def test_a_killed_writer_leaves_no_such_name_and_its_leftover_is_swept(tmp_path, where):
    code = f"""
        import os, signal, sys
        from pathlib import Path
        from handler.store import sealed
        die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
        target = Path({str(tmp_path / "x")!r})
        if {where!r} == "manifest":
            sealed._with_checksum = die
        if {where!r} == "rename":
            Path.rename = die
        sealed.seal(target, {{}}, lambda f: die() if {where!r} == "fill" else (f / "a").write_text("one"))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "x").exists()
    left = sealed.leftovers(tmp_path)
    assert len(left) == 1
    (tmp_path / f".tmp-{os.getpid()}-abcd-mine").mkdir()
    assert sealed.leftovers(tmp_path) == left, "what a living process writes is no leftover"


def test_a_manifest_is_amended_in_one_step(tmp_path):
    seal_two(tmp_path / "x")
    sealed.amend(tmp_path / "x", key="new")
    assert sealed.read_manifest(tmp_path / "x")["key"] == "new"
    assert sealed.damages(tmp_path / "x", deep=True) == []


def test_what_is_set_aside_has_its_name_no_more(tmp_path):
    seal_two(tmp_path / "x")
    aside = sealed.set_aside(tmp_path / "x")
    assert aside.name.startswith(".damaged-")
    with pytest.raises(DamagedError, match="can't be read"):
        sealed.read_manifest(tmp_path / "x")
