"""Code and files that belong to a project, and those that only lie below its folder."""

import shutil
from pathlib import Path

import pytest

from handler.errors import SpecError
from handler.spec.project_code import check_own, describe_environment, reason_outside_project


@pytest.fixture
def project(tmp_path):
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def test_a_file_of_the_projects_folders_belongs_to_it(project):
    assert reason_outside_project(project / "deep" / "mine.py", project) is None


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("../other/mine.py", "outside of the worker's project"),
        (".hidden/mine.py", "lies in the hidden folder '.hidden'"),
        ("venv/mine.py", "lies in the environment 'venv'"),
        ("lib/site-packages/mine.py", "lies in an environment"),
        ("store/runs/mine/spec.py", "lies in the store"),
    ],
)
def test_a_file_that_the_project_does_not_own_has_a_reason(file, reason, project):
    for part in ("runs", "states"):
        (project / "store" / part).mkdir(parents=True)
    assert reason in reason_outside_project(project / file, project)


def test_both_ends_of_a_link_must_belong_to_the_project(project):
    (project / "inner").mkdir()
    (project / "link").symlink_to(project / "inner")
    (project / "out").symlink_to(project.parent)
    assert reason_outside_project(project / "link" / "mine.py", project) is None
    assert "outside of the worker's project" in reason_outside_project(project / "out" / "mine.py", project)


def test_an_environment_is_recognised_by_its_mark(project):
    (project / "any").mkdir()
    (project / "any" / "pyvenv.cfg").touch()
    assert describe_environment(project / "any" / "bin" / "x.py") == f"a virtual environment ({project / 'any'})"
    assert describe_environment(Path(shutil.__file__)).startswith("a library of Python")
    assert describe_environment(project / "mine.py") is None


def test_a_name_that_a_module_only_imports_is_refused(project):
    (project / "mine.py").write_text("from shutil import rmtree\nfrom other import data\n")
    (project / "other.py").write_text("def data(): ...\n")
    check_own("mine:data", project, project, "data.source")
    with pytest.raises(SpecError, match=r"^data.source: 'mine:rmtree' is shutil.rmtree, which mine.py only imports"):
        check_own("mine:rmtree", project, project, "data.source")
