"""The log of a run: each failure once, with its traceback and without secrets."""

import pytest

from handler.store.failure_log import log_failure


def failure(text="it failed"):
    """Return an exception with a traceback."""
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "mine"


def test_a_failure_is_logged_with_its_traceback(folder):
    file = log_failure(folder, failure())
    assert "Traceback" in file.read_text()
    assert "ValueError: it failed" in file.read_text()


def test_an_exception_is_logged_once(folder):
    error = failure()
    assert log_failure(folder, error) == log_failure(folder, error) == folder / "log"
    assert (folder / "log").read_text().count("ValueError: it failed") == 1


def test_later_failures_are_appended(folder):
    log_failure(folder, failure("the first"))
    assert "the first" in log_failure(folder, failure("the second")).read_text()


def test_secrets_are_masked_in_the_log(folder):
    assert "hidden" not in log_failure(folder, failure("postgresql://me:hidden@host/db")).read_text()


def test_a_link_in_place_of_the_log_is_not_followed(folder, tmp_path):
    folder.mkdir(parents=True)
    (tmp_path / "other").write_text("untouched")
    (folder / "log").symlink_to(tmp_path / "other")
    assert log_failure(folder, failure()) is None
    assert (tmp_path / "other").read_text() == "untouched"
