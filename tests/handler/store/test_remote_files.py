"""Files of runs in a store at a URL."""

import pytest

from handler.store import remote_files
from handler.store.object_store import Remote

pytestmark = pytest.mark.timeout(300)


def fill(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture
def uploaded(monkeypatch):
    """Record the names of uploaded files."""
    names, put = [], Remote.put

    def record(self, name, *given):
        names.append(name.rpartition("/")[2])
        return put(self, name, *given)

    monkeypatch.setattr(Remote, "put", record)
    return names


def test_only_changed_files_are_uploaded(machine, uploaded):
    folder = machine("one").runs.folder("mine")
    fill(folder, **{"run.json": "{}", "history.csv": "a", "spec.yaml": "b", "lock": "held", ".hidden": "x"})
    remote_files.upload_all(folder, last="run.json")
    assert sorted(uploaded[:-1]) == ["history.csv", "spec.yaml"]
    assert uploaded[-1] == "run.json"
    uploaded.clear()
    fill(folder, **{"history.csv": "a longer one"})
    remote_files.upload_all(folder, last="run.json")
    assert uploaded == ["history.csv"]


def test_another_machine_downloads_the_files_of_a_run(machine):
    one, other = (machine(name).runs.folder("mine") for name in ("one", "other"))
    fill(one, **{"run.json": "{}", "history.csv": "a"})
    remote_files.upload_all(one, last="run.json")
    assert remote_files.list_files(other) == {"run.json", "history.csv"}
    remote_files.download_all(other)
    assert (other / "history.csv").read_text() == "a"
    remote_files.forget(one)
    assert remote_files.list_files(other) == set()


def test_a_local_store_has_no_remote_files(tmp_path):
    fill(tmp_path, a="text")
    remote_files.upload_all(tmp_path, last="a")
    remote_files.remove(tmp_path / "a")
    assert remote_files.list_files(tmp_path) == set()
    assert (tmp_path / "a").exists()
