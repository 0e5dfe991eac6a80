"""The runs that a retention policy keeps: newest, best, young, unfinished, and those that kept runs start from."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from handler.errors import SpecError
from handler.records import RunRecord
from handler.store.run_retention import Retention, runs_to_remove

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def run(name, days, *, status="completed", weights=None, **history):
    at = (NOW - timedelta(days=days)).isoformat(timespec="seconds")
    return RunRecord(run=name, status=status, key="0" * 32, seed=0, training_epochs=1, started=at, updated=at, spec_folder=".",
                     spec={"model": {"weights": weights}}, history=history)  # fmt: skip


def test_the_newest_runs_are_kept():
    records = [run(name, days) for name, days in zip("abcde", (50, 10, 40, 20, 30), strict=True)]
    assert runs_to_remove(records, Retention(newest=3), NOW) == ["a", "c"]


def test_runs_younger_than_the_limit_are_kept():
    records = [run(name, days) for name, days in zip("abcde", (50, 10, 40, 20, 30), strict=True)]
    assert runs_to_remove(records, Retention(newest=2, days=35), NOW) == ["a", "c"]
    assert runs_to_remove(records, Retention(newest=2, days=100), NOW) == []


@pytest.mark.parametrize(
    ("metric", "mode", "dropped"),
    [("val_loss", "auto", ["a", "d"]), ("val_loss", "max", ["b", "d"]), ("val_accuracy", "auto", ["b", "d"]), ("val_accuracy", "min", ["a", "d"])],
)
def test_the_runs_with_the_best_metric_are_kept(metric, mode, dropped):
    high, low = [0.7, 0.9, 0.8], [0.9, 0.1, 0.2] if metric == "val_loss" else [0.1, 0.2]
    records = [run("new", 1), run("newer", 0), run("a", 50, **{metric: high}), run("b", 60, **{metric: low}), run("d", 70)]
    assert runs_to_remove(records, Retention(best=1, metric=metric, mode=mode, newest=2), NOW) == dropped


def test_a_nan_metric_is_never_the_best():
    records = [run("new", 1), run("newer", 0), run("a", 50, loss=[float("nan"), 0.5]), run("b", 60, loss=[float("nan")])]
    assert runs_to_remove(records, Retention(best=2, metric="loss", newest=2), NOW) == ["b"]


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "planned"])
def test_an_incomplete_run_is_never_dropped(status):
    records = [run("new", 1), run("newer", 0), run("old", 500, status=status)]
    assert runs_to_remove(records, Retention(newest=2), NOW) == []


def test_the_runs_that_a_kept_run_starts_from_are_kept():
    records = [run("new", 1), run("newer", 0, weights="run:old@3"), run("old", 50, weights="run:older"), run("older", 60, weights={"file": "run:part", "into": "low"}), run("part", 65), run("other", 70)]
    assert runs_to_remove(records, Retention(newest=2), NOW) == ["other"]


def test_an_invalid_policy_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        Retention(newest=1)
    with pytest.raises(ValidationError, match="best: 3 needs a metric, such as val_loss"):
        Retention(best=3)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Retention(oldest=3)


def test_an_unknown_metric_is_refused_with_a_suggestion():
    records = [run("new", 1, val_loss=[0.5]), run("newer", 0, loss=[0.1])]
    with pytest.raises(SpecError, match=r"^keep.metric: no run of this store has 'val_los'; did you mean 'val_loss'\?$"):
        runs_to_remove(records, Retention(best=3, metric="val_los"), NOW)
    assert runs_to_remove([run("new", 1)], Retention(best=3, metric="val_los"), NOW) == [], "nothing is measured yet"


@pytest.mark.parametrize("days", [1e12, float("inf"), float("nan"), -1])
def test_an_invalid_number_of_days_is_refused(days):
    with pytest.raises(ValidationError, match="Input should be"):
        Retention(days=days)
    assert runs_to_remove([run("new", 1)], Retention(days=36500), NOW) == []
