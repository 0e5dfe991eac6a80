"""For every damage in a store, a command works or reports it in one sentence; no run is stuck, no weights differ
silently.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.damage_table import prepare, walk
from tests.faults.damages import DAMAGES, KINDS

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def made(forker, tmp_path_factory):
    """Return the prepared store."""
    return prepare(forker, tmp_path_factory.mktemp("damages") / "made")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_tolerated_repaired_or_named(made, tmp_path, kind):
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        walks = [pool.submit(walk, made, tmp_path / damage.replace(" ", "-"), kind, damage) for damage in DAMAGES]
    wrong = [line for walked in walks for line in walked.result()]
    assert wrong == [], "\n".join(wrong)
