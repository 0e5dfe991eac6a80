"""A module of the user's."""

import pytest

from handler.user_code.importer import resolve_function


@pytest.fixture
def module(tmp_path):
    """Return a function that writes `jobs.py` with one function and returns that function."""

    def write(body, head="def load(n=1):"):
        (tmp_path / "jobs.py").write_text(f"{head}\n    {body}\n")
        return resolve_function("jobs:load", tmp_path)

    return write
