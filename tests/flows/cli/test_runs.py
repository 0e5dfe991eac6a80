"""The command `runs`."""

import json

from flows.answers import (
    RunsAnswer,
)


def test_runs_lists_each_run_with_its_status(answer):
    runs = {run.run: run for run in answer(RunsAnswer, "runs").runs}
    assert (runs["whole"].status, runs["whole"].alive, runs["whole"].epochs) == ("completed", False, 6)


def test_listing_the_runs_of_a_missing_store_creates_none(type_here, tmp_path):
    code, out, _ = type_here("runs", "--store", tmp_path / "none", "--json")
    assert (code, json.loads(out)["runs"]) == (0, [])
    assert not (tmp_path / "none").exists()
