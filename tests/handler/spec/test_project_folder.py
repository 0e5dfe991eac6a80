"""The folder of a run's project, also after the project was moved."""

import pytest

from handler.errors import SpecError
from handler.spec.project_folder import project_folder
from handler.spec.reader import parse_spec
from tests.good_spec import GOOD, write_good


def test_the_folder_where_a_run_was_started_is_used_while_it_exists(tmp_path):
    assert project_folder("good", str(tmp_path), parse_spec(GOOD)) == tmp_path


def test_a_moved_project_is_looked_up_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"^run: 'good' was started from /gone, which no longer exists"):
        project_folder("good", "/gone", parse_spec(GOOD))
    write_good(tmp_path)
    assert project_folder("good", "/gone", parse_spec(GOOD)) == tmp_path
