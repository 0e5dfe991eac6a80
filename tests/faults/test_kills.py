"""SIGKILLs at every place: the same command resumes, and the final result equals that of an uninterrupted training."""

import re

import numpy as np
import pytest

from handler.store.store import Store
from tests.faults.comparison import differences, left_behind
from tests.faults.driver import Kill, lost_steps
from tests.faults.trainings import IN_PLACE

# The kills and patterns of their places, in the order in which one training, resumed each time, reaches them.
EARLY = [
    (Kill("plan rename"), "plan: plan rename"),
    (Kill("run.json rename"), "begin: run.json rename"),
    (Kill("backup data", 2), "backup: backup data"),
    (Kill("backup sync", 3, "torn"), "backup: backup sync"),
    (Kill("state manifest"), "state: state manifest"),  # before the first state exists: between its data and its manifest
    (Kill("state rename"), "state: state rename"),  # between its manifest and its rename
    (Kill("tracing", 1, "inside"), "tracing"),
    (Kill("step", 3, "inside"), "step"),
    (Kill("snapshot sync", 2, "torn"), "snapshot behind"),  # one of its files is half written
    (Kill("snapshot manifest", 2), "snapshot behind"),
    (Kill("snapshot rename", 2), "snapshot behind"),
    (Kill("snapshot retire"), "snapshot behind"),  # while a superseded snapshot is removed
    (Kill("validation", 2, "inside"), "validation|tracing"),  # the first validation under a new mask is traced in it
]
LATE = [
    (Kill("log.csv data", 1), ""),
    (Kill("state manifest"), "state: state manifest"),  # the end of a segment
    (Kill("state rename"), "state: state rename"),
    (Kill("state retire"), "dropping: state retire"),  # the state exists, and so do the snapshots that it supersedes
    (Kill("segment", 2, "after"), "between"),  # its state exists, but no other process was notified
    (Kill("loading", 1, "inside"), "loading"),
    (Kill("step", 60, "after"), ""),
    (Kill("writing back", 1, "inside"), "writing back"),
    (Kill("post-fit", 1, "inside"), "post-fit"),
    (Kill("model.keras sync", 1, "torn"), "post-fit: model.keras sync"),  # the model is half written
    (Kill("model.keras rename"), "post-fit: model.keras rename"),
    (Kill("history.csv rename"), "report: history.csv rename"),
    (Kill("report.html sync", 1, "torn"), "report: report.html sync"),
    (Kill("finish", 1, "inside"), "finish"),
]


def killed_in_turn(training, kills):
    """Resume a training through a list of kills; assert that each kill happens at its place."""
    for kill, place in kills:
        attempt = training.go_on(kill)
        assert attempt.killed, (kill, attempt.typed.code, attempt.typed.stderr[-2000:])
        assert re.search(place, attempt.place), (kill, attempt.place)


def assert_as_whole(training, whole):
    """Complete a training; assert that nothing differs, and that no more steps were lost than the snapshots allow."""
    training.complete()
    left, first = whole
    assert differences(left, left_behind(training.store, training.name)) == []
    assert sorted({step for attempt in training.attempts for step in attempt.steps}) == sorted(first.steps)
    assert max(training.lost) <= 2 * training.snapshot_steps, training.lost


def test_a_training_killed_early_many_times_ends_bit_identically(begun, uninterrupted):
    training = begun("mlp", "fixed", IN_PLACE)
    killed_in_turn(training, EARLY)
    assert_as_whole(training, uninterrupted("mlp", "fixed", IN_PLACE))


@pytest.mark.service
def test_a_training_killed_late_many_times_ends_bit_identically(begun, uninterrupted):
    training = begun("mlp", "fixed", IN_PLACE)
    killed_in_turn(training, LATE)
    assert_as_whole(training, uninterrupted("mlp", "fixed", IN_PLACE))


@pytest.mark.service
def test_a_training_killed_within_a_graph_call_ends_bit_identically(begun, uninterrupted):
    training = begun("mlp", "fixed")
    killed_in_turn(training, [(Kill("graph", number, "inside"), "") for number in (1, 4)])
    training.complete()
    left, _ = uninterrupted("mlp", "fixed")
    assert differences(left, left_behind(training.store, training.name)) == []


@pytest.mark.service
def test_the_comparison_detects_another_seed_or_schedule(begun, uninterrupted):
    left, _ = uninterrupted("mlp", "fixed", IN_PLACE)
    for changes in (("seed=8",), ("freeze_training=[]",)):
        other = begun("mlp", "fixed", IN_PLACE, *changes, name=changes[0])
        other.complete()
        differing = differences(left, left_behind(other.store, other.name))
        assert any(line.startswith("variable model/") for line in differing), changes
        assert any(line.startswith("variable optimizer/") for line in differing), changes
        assert any(line.startswith("history") for line in differing), changes
        assert any("model.keras" in line for line in differing), changes


@pytest.mark.service
def test_the_comparison_detects_changed_lost_and_new_files(begun, uninterrupted, tmp_path):
    training = begun("mlp", "fixed", IN_PLACE)
    training.complete()
    before = left_behind(training.store, training.name)
    store, run = Store(training.store), training.store / "runs" / training.name
    start = store.states.read(store.runs.read(training.name).chain[0])
    end = store.states.read(str(store.runs.read(training.name).state))
    moved = [n for n in end.arrays if n.startswith("model/") and not np.array_equal(start.arrays[n], end.arrays[n])]
    assert len(moved) > 10, "the training moves the network"
    (run / "history.csv").write_text((run / "history.csv").read_text().replace("1", "2", 1))
    (run / "log.csv").unlink()
    (run / ".tmp-1-12345678-model.keras").write_bytes(b"half")
    changes = differences(before, left_behind(training.store, training.name))
    assert [line.partition(":")[0] for line in changes] == [
        "damages", "runs/run/.tmp-1-12345678-model.keras is too many", "runs/run/history.csv", "runs/run/log.csv is missing", "swept"
    ]  # fmt: skip


def test_repeated_steps_count_as_lost():
    first, second = [(0, 1), (0, 2), (0, 3), (1, 1)], [(0, 3), (1, 1), (1, 2)]
    assert list(lost_steps([first, second])) == [0, 2]
    assert list(lost_steps([first, [], second, [(1, 3)]])) == [0, 2, 0]
    assert list(lost_steps([first, [(0, 2)], second])) == [0, 3, 0]


RESIDUAL, AUTOENCODER = ("residual", "round_robin"), ("autoencoder", "random")


@pytest.mark.service
@pytest.mark.parametrize(
    ("kill", "model", "schedule"),
    [
        (Kill("step", 1, "inside"), *RESIDUAL),
        (Kill("step", 30, "inside"), *AUTOENCODER),
        (Kill("snapshot manifest", 4), *RESIDUAL),
        (Kill("snapshot rename", 5), *AUTOENCODER),
        (Kill("snapshot remove", 5), *RESIDUAL),
        (Kill("state manifest", 3), *AUTOENCODER),
        (Kill("state sync", 9, "torn"), *RESIDUAL),
        (Kill("state rename", 4), *AUTOENCODER),
        (Kill("epoch", 4, "after"), *RESIDUAL),
        (Kill("segment", 3, "after"), *AUTOENCODER),
        (Kill("model.keras sync", 1, "torn"), *RESIDUAL),
    ],
    ids=lambda value: f"{value.when} {value.point} {value.at}" if isinstance(value, Kill) else value,
)
def test_a_training_killed_once_ends_bit_identically(kill, model, schedule, begun, uninterrupted):
    training = begun(model, schedule)
    attempt = training.go_on(kill)
    assert attempt.killed
    assert_as_whole(training, uninterrupted(model, schedule))


@pytest.mark.service
def test_a_training_killed_at_pre_fit_and_backup_ends_bit_identically(begun, uninterrupted):
    training = begun("autoencoder", "random")
    killed_in_turn(
        training,
        [
            (Kill("prefit data", 2), "pre-fit: prefit data"),
            (Kill("prefit manifest"), "pre-fit: prefit manifest"),
            (Kill("prefit rename", 2), "pre-fit: prefit rename"),
            (Kill("prefit sync", 20, "torn"), "pre-fit: prefit sync"),
            (Kill("backup manifest"), "backup: backup manifest"),
            (Kill("backup rename"), "backup: backup rename"),
            (Kill("best.keras data", 3), "epoch: best.keras data"),
            (Kill("writing back", 1, "inside"), "writing back"),
        ],
    )
    assert_as_whole(training, uninterrupted("autoencoder", "random"))


@pytest.mark.service
def test_a_training_killed_under_prefect_ends_bit_identically(begun, uninterrupted):
    training = begun("mlp", "random", through="command")
    killed_in_turn(
        training,
        [
            (Kill("result data", 2), ""),  # the segment's state exists, Prefect's record of it does not
            (Kill("segment", 1, "before"), "segment"),
            (Kill("step", 40, "inside"), "step"),
            (Kill("segment", 2, "after"), "between"),
            (Kill("post-fit", 1, "after"), "between"),
            (Kill("finish", 1, "after"), "between"),
        ],
    )
    assert_as_whole(training, uninterrupted("mlp", "random"))
