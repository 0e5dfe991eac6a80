"""Names of runs: which are accepted."""

import pytest

from handler.errors import SpecError
from handler.validation.run_name import check_run_name


@pytest.mark.parametrize("name", ["a", "Run-1", "_x", "2026.11", "a" * 100])
def test_valid_run_names_are_accepted(name):
    assert check_run_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "-x", ".x", "a/b", "a\\b", "a b", "ü", "a\n", "a" * 101, None, 3])
def test_invalid_run_names_are_refused(name):
    with pytest.raises(SpecError, match="can't name a run"):
        check_run_name(name)
