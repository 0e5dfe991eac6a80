"""The commands `verify` and `gc`."""

import pytest

from flows.answers import (
    FailureAnswer,
    GcAnswer,
    VerifyAnswer,
)


def test_verify_reports_an_intact_run_as_ok(answer):
    assert answer(VerifyAnswer, "verify", "whole") == VerifyAnswer(ok=True, damaged=[])


def test_gc_removes_nothing_that_a_run_needs(answer):
    dry = answer(GcAnswer, "gc", "--dry-run")
    assert dry.dry_run
    assert not any(path.startswith(("states", "runs")) for path in dry.removed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--keep-newest", "1"), "--keep-newest: must be at least 2, not 1"),
        (("--keep-best", "3"), "--keep-best: selects runs to keep in addition to the newest; give --keep-newest too"),
        (("--keep-newest", "5", "--keep-best", "3"), "--keep-best: 3 needs a metric; give one with --metric, such as val_loss"),
        (("--keep-newest", "5", "--metric", "val_los"), "--metric: no run of this store has 'val_los'; "),
        (("--keep-newest", "5", "--keep-days", "1e12"), "--keep-days: must be at most 36500, not 1000000000000.0"),
    ],
)
def test_gc_refuses_an_invalid_retention_policy(options, said, answer):
    failure = answer(FailureAnswer, "gc", *options, code=2)
    assert said in failure.error


def test_gc_keeps_the_newest_runs(answer):
    dry = answer(GcAnswer, "gc", "--keep-newest", "2", "--keep-days", "1", "--dry-run")
    assert not any(path.startswith("runs") for path in dry.removed)
