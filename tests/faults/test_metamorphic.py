"""Changes that must not affect the result.

They are: how a training is split into runs, how often its state is saved, failures and retries, the place where batches
are gathered, where its segments are cut, which run trained its beginning, and whether Prefect is used.
"""

import functools
import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handler.report.page
import handler.run.components
from handler import DLTrainingHandler
from handler.data.sources import shape
from handler.engine.callback_state import capture
from handler.observer import Observer
from handler.records import RunRecord
from handler.run.builders import build_callbacks, build_model_handler, load_data
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.state.keras_state import weights_digest
from handler.store.store import Store
from tests.faults import stages, trainings
from tests.faults.comparison import differences, left_behind
from tests.faults.trainings import IN_PLACE

EPOCHS = 6
# Small: one network, few steps, three masks; the mask changes at almost every epoch.
SMALL = {
    **trainings.specification("mlp", "round_robin"),
    "data": {"source": "mlp:arrays", "args": {"examples": 96, "held_out": 32}},
    "freeze_training": [
        {"training_interval": [1, 2], "layers": ["low", "low_norm"], "initial_learning_rate": 0.002},
        {"training_interval": [2, 5], "layers": [["low", "low_norm"], ["high", "high_norm"]],
         "strategy": {"name": "round_robin"}, "initial_learning_rate": 0.004},
    ],
}  # fmt: skip
# Without a number of threads, which would apply to all tests in this process.
SMALL["training"] = {key: value for key, value in SMALL["training"].items() if key not in ("snapshot", "threads")} | {"epochs": EPOCHS}
# The files that record how the training was requested.
ASKED = ("runs/run/spec.yaml", "runs/run/run.json")


class Trained(NamedTuple):
    """A training's record and its store."""

    record: RunRecord
    store: Path


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """Return a function that trains SMALL, with changes, in this process, in a given store or a new one; `by` replaces
    the stages.
    """
    top = tmp_path_factory.mktemp("metamorphic")
    folder = trainings.place(top / "modules", "mlp", "round_robin")
    count = itertools.count()

    def go(changes=None, *, store=None, name="run", by=stages.train):
        store = store or top / f"store{next(count)}"
        spec = parse_spec({**SMALL, **(changes or {})})
        return Trained(by(TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(store), name=name))), store)

    go.folder = folder
    return go


@pytest.fixture(scope="module")
def whole(train):
    """Return the training in one run."""
    record = train()
    start = Store(record.store).states.read(record.record.chain[0])
    end = Store(record.store).states.read(str(record.record.state))
    moved = [n for n in end.arrays if n.startswith("model/") and not np.array_equal(start.arrays[n], end.arrays[n])]
    assert len(moved) >= 15, "what is compared isn't trivially equal"
    assert len({(*segment.frozen, segment.learning_rate) for segment in record.record.segments}) >= 4
    return record


def training(**changes):
    return {"training": {**SMALL["training"], **changes}}


def end_of(store):
    """Return the final variables, callbacks and history of a training, and the files made from them."""
    kept = ("variable ", "callbacks", "history", "epoch", "stopped", "runs/run/model.keras", "runs/run/history.csv", "runs/run/log.csv")
    return {name: value for name, value in left_behind(store, "run").items() if name.startswith(kept)}


def files_of(store):
    """Return all files of a training, except those that record how it was requested."""
    return {name: value for name, value in left_behind(store, "run").items() if name not in ASKED}


def check_split(train, whole, ends):
    """Train up to each of some epochs in a separate run, and then to the end; check the result."""
    store = None  # the first run creates one
    for epochs in ends:
        part, store = train(training(epochs=epochs) | {"freeze_training": entries_within(epochs)}, store=store)
        assert part.epochs == epochs
        assert part.chain == whole.record.chain[: epochs + 1]
        assert part.weights != whole.record.weights
    split = train(store=store)
    assert sum(segment.trained_epochs for segment in split.record.segments) == EPOCHS - max(ends)
    assert (split.record.weights, split.record.history) == (whole.record.weights, whole.record.history)
    changes = differences(files_of(whole.store), files_of(split.store))
    more = {line.split("/")[1] for line in changes if line.endswith(" is too many")}
    assert more <= {whole.record.chain[epochs] for epochs in ends}, "where a run ended, its state is kept too"
    assert [line for line in changes if not line.endswith(" is too many")] == []


def entries_within(epochs):
    """Return the schedule's entries, cut off after a number of epochs."""
    changes = []
    for entry in SMALL["freeze_training"]:
        start, end = entry["training_interval"]
        if start < epochs:
            changes.append({**entry, "training_interval": [start, min(end, epochs)]})
    return changes


@pytest.mark.parametrize("ends", [(1, 3), (4,)], ids=str)
def test_a_training_split_into_runs_is_bit_identical(ends, train, whole):
    check_split(train, whole, ends)


@pytest.mark.service
@settings(max_examples=6, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(1, EPOCHS - 1), min_size=1, max_size=4))
def test_any_split_into_runs_is_bit_identical(train, whole, ends):
    check_split(train, whole, sorted(ends))


@pytest.mark.parametrize("steps", [1, *(pytest.param(n, marks=pytest.mark.service) for n in (2, 4, 6, 100))])
def test_the_number_of_snapshots_changes_no_result(steps, train, whole):
    taken = []
    more = train(training(snapshot={"steps": steps}), by=lambda run: counted(run, taken))
    assert len([name for name in taken if "-step-" in name]) == EPOCHS * (6 // steps)
    assert (more.record.key, more.record.chain, more.record.weights) == (whole.record.key, whole.record.chain, whole.record.weights)
    assert differences(files_of(whole.store), files_of(more.store)) == []


def counted(run, taken):
    """Train, and note which states are written."""
    write = run.store.states.write

    def noted(key, *args, **kwargs):
        taken.append(key)
        return write(key, *args, **kwargs)

    run.store.states.write = noted
    return stages.train(run)


class Tired(Observer):
    """An observer that fails once in the middle of the first epoch of each segment."""

    def __init__(self):
        self.failed = []

    def on_segment_begin(self, segment, start, steps):
        self.first = segment.start

    def on_step(self, epoch, step, steps, logs):
        if (epoch, step) == (self.first, 3) and epoch not in self.failed:
            self.failed.append(epoch)
            raise OSError(5, "the disk is tired")


def test_retried_stages_leave_bit_identical_results(train, whole, monkeypatch):
    tired, failed = Tired(), []

    def fail_once(owner, name):
        original = getattr(owner, name)

        def once(*args, **kwargs):
            if name not in failed:
                failed.append(name)
                raise OSError(5, "the disk is tired")
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, once)

    def again(run):
        fail_once(handler.run.components, "load_data")
        fail_once(handler.run.components, "save_model")
        fail_once(handler.report.page, "write_report")
        run.observers.append(tired)
        plan = run.plan()
        run.begin(plan)
        segments = [functools.partial(run.train_segment, segment.index) for segment in plan.segments]
        for stage in (run.pre_fit, *segments, run.post_fit, run.report):
            with pytest.raises(OSError, match="the disk is tired"):
                stage()
            stage()
        return run.mark_completed()

    tried = train(by=again)
    assert failed == ["load_data", "save_model", "write_report"]
    assert tired.failed == [segment.start for segment in whole.record.segments]
    assert tried.record.weights == whole.record.weights
    assert differences(files_of(whole.store), files_of(tried.store)) == []


@pytest.mark.service
def test_training_in_place_is_bit_identical(train, whole):
    place = train(training(in_place=True))
    assert place.record.chain == whole.record.chain
    assert differences(files_of(whole.store), files_of(place.store)) == []


def test_the_cut_into_segments_changes_no_bit(train, whole):
    """The same masks and rates by other entries, and the same epochs as one segment or two, give the same result."""
    low, high = (["low", "low_norm"], ["high", "high_norm"])
    turns = [entry([2, 3], low, 0.004), entry([3, 4], high, 0.004), entry([4, 5], low, 0.004)]
    cut = train({"freeze_training": [SMALL["freeze_training"][0], *turns]})
    assert cut.record.chain == whole.record.chain
    assert differences(end_of(whole.store), end_of(cut.store)) == []
    one = train({"freeze_training": [entry([0, 4], low, 0.002)], **training(epochs=4)})
    two = train({"freeze_training": [entry([0, 1], low, 0.002), entry([1, 4], low, None)], **training(epochs=4)})
    assert (len(one.record.segments), len(two.record.segments)) == (1, 2)
    assert one.record.chain == two.record.chain
    assert differences(end_of(one.store), end_of(two.store)) == []


def entry(interval, layers, rate):
    return {"training_interval": interval, "layers": layers} | ({} if rate is None else {"initial_learning_rate": rate})


@pytest.mark.service
def test_a_start_trained_by_another_run_changes_no_bit(train, whole):
    other = {"freeze_training": [SMALL["freeze_training"][0], {"training_interval": [3, 6], "layers": ["high"]}]}
    alone, first = train(other), train()
    left = files_of(first.store)
    second = train(other, store=first.store, name="second")
    assert 0 < sum(segment.trained_epochs for segment in second.record.segments) < EPOCHS
    assert (second.record.weights, second.record.history) == (alone.record.weights, alone.record.history)
    assert second.record.weights != first.record.weights == whole.record.weights
    files = files_of(first.store)
    assert {name: files.get(name) for name in left} == left, "what the first run left is as it was"


def test_the_handler_alone_trains_the_variables_of_a_run(train, whole, tmp_path):
    spec, store = parse_spec(SMALL), Store(tmp_path / "store")
    data = load_data(spec, train.folder, store)
    mh = build_model_handler(spec, train.folder, store, shape(spec.data, train.folder))
    mh.validation_data = data.validation
    callbacks = build_callbacks(spec, train.folder, tmp_path)
    DLTrainingHandler(SMALL["freeze_training"])(mh, data.X, data.y, callbacks)
    assert weights_digest(mh.compiled) == whole.record.weights
    assert mh.history.history == whole.record.history
    end = Store(whole.store).states.read(str(whole.record.state))
    states, arrays = capture(callbacks)
    assert states == end.callbacks
    assert arrays, "EarlyStopping keeps the best weights"
    for name, array in arrays.items():
        assert np.array_equal(array, end.arrays[name]), name


@pytest.mark.service
@pytest.mark.parametrize("model", trainings.BASES)
def test_all_files_are_equal_with_and_without_prefect(model, begun, uninterrupted):
    training = begun(model, "fixed", IN_PLACE, through="command")
    training.complete()
    assert differences(uninterrupted(model, "fixed", IN_PLACE)[0], left_behind(training.store, training.name)) == []


@pytest.mark.service
def test_stages_retried_by_prefect_leave_equal_files(begun, uninterrupted):
    training = begun("mlp", "random", IN_PLACE, through="command")
    names = ("plan", "pre_fit", "backup", "train_segment", "restore", "post_fit", "report")
    at = {"plan": 2, "train_segment": 2}  # the plan's first call is the command's own, before the flow
    training.faults = [{"stage": stage, "what": "oserror", "at": at.get(stage, 1)} for stage in names]
    attempt = training.complete()
    assert attempt.typed.stderr.count("the disk is tired") == len(names)
    assert differences(uninterrupted("mlp", "random", IN_PLACE)[0], left_behind(training.store, training.name)) == []
