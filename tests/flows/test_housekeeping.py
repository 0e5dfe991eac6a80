"""The flow `housekeeping` without a store: a fresh deployment has none before its first training."""

import pytest

from flows import housekeeping as flows
from handler.errors import SpecError


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(flows, "log", lines.append)
    return lines


def test_housekeeping_of_a_missing_store_changes_nothing(tmp_path, said):
    store = str(tmp_path / "none")
    answer = flows.housekeeping.fn(store=store)
    assert (answer.removed, answer.bytes) == ([], 0)
    assert said == [f"there is no store {store} yet; nothing was removed"]
    assert list(tmp_path.iterdir()) == []


def test_housekeeping_refuses_a_folder_that_is_no_store(tmp_path, said):
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "away")  # a disk that is not mounted
    for name in ("photos", "link"):
        with pytest.raises(SpecError, match=rf"^store: .*{name}.*nothing is removed from it"):
            flows.housekeeping.fn(store=str(tmp_path / name))
    assert said == []
