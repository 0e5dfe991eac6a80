"""A store has a marker, and the functions that remove files refuse every other directory."""

import pytest

from flows.cli.app import run
from handler.errors import SpecError
from handler.store.marker import MARKER, is_store
from handler.store.remote_dirs import local_root
from handler.store.store import Store
from tests.handler.store.writes import WRITES, record, state

FOREIGN = (
    "states/notes/manifest.json",
    "backups/photos.zarr/0",
    "prefixes/a.zarr/0",
    "prefit/b.zarr/0",
    "plans/house.json",
)


def written(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("the user's")
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("dry_run", [False, True])
def test_gc_refuses_a_folder_that_is_no_store(tmp_path, dry_run):
    before = written(tmp_path, *FOREIGN, "runs/mine/run.json")
    with pytest.raises(
        SpecError, match=r"^store: .* is not a Frostline store, so nothing is removed from it; name the store with"
    ):
        Store(tmp_path).collect(dry_run=dry_run)
    assert sorted(tmp_path.rglob("*")) == before


def test_gc_of_a_missing_folder_is_refused_without_creating_it(tmp_path):
    with pytest.raises(SpecError, match=r"^store: there is no store .*/typo, so nothing is removed from it"):
        Store(tmp_path / "typo").collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["", " ", "\n"])
def test_a_store_without_a_name_is_refused(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (local_root, Store):
        with pytest.raises(SpecError, match=r"^store: must be a folder's path or a URL, not "):
            call(given)
    code, _ = run(["runs", "--store", given])
    assert (code, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize("file", FOREIGN)
def test_a_folder_with_files_that_gc_would_remove_becomes_no_store(tmp_path, file):
    before = written(tmp_path, file)
    own = "/".join(file.split("/")[:2])
    with (
        pytest.raises(SpecError, match=f"is not a Frostline store, and contains {own}; name another folder"),
        Store(tmp_path).runs.lock("mine"),
    ):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_a_store_is_marked_before_the_first_write(tmp_path):
    written(
        tmp_path, "small.yaml", "results/mine.csv", "data/x.npz"
    )  # a project whose store is the project's own directory
    store = Store(tmp_path)
    with store.runs.lock("mine"):
        assert (tmp_path / MARKER).is_file()
        store.runs.write(record(1))
    (tmp_path / "runs/mine/run.json").write_text("damaged")
    assert is_store(tmp_path), "whatever becomes of its content"
    assert (tmp_path / "results/mine.csv").exists()


@pytest.mark.parametrize(
    "write", [write for write in WRITES if write not in ("a file of the user's", "leftovers swept up")]
)
def test_a_store_without_a_marker_is_recognised_by_its_content(write, tmp_path):
    store = Store(tmp_path / "store")
    WRITES[write].before(store)
    WRITES[write].act(store)
    if write == "a backup that is dropped":
        store.states.write("k1", state(1.0))
    assert not (store.root / MARKER).exists()
    assert is_store(store.root)
    store.collect()


def test_a_store_with_only_leftovers_of_a_kill_is_usable(tmp_path):
    store = Store(tmp_path)
    (tmp_path / f"states/.tmp-1-00c0ffee-{'0' * 32}").mkdir(parents=True)
    (tmp_path / f"backups/{'0' * 32}.zarr").mkdir(parents=True)
    with store.runs.lock("mine"):
        pass
    assert store.collect()[0] == [f"backups/{'0' * 32}.zarr", f"states/.tmp-1-00c0ffee-{'0' * 32}"]
