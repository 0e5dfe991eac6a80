"""Trainings of live objects have a run like any other: `frostline` lists, shows and keeps it, but cannot resume it."""

import math

import keras
import pytest

from flows.answers import effective_status
from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.errors import BusyError, EnvironmentMismatch, SpecError
from handler.fingerprint import environment
from handler.run.resumption import inputs_of_run
from handler.run.trained_model import TrainedModel
from handler.store.run_retention import Retention
from handler.store.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "s")


@pytest.fixture
def fit(network, blobs, store):
    """Return a function that trains two epochs and returns the model handler."""

    def go(name=None, callbacks=None, seed=11):
        mh = DLModelHandler(KerasArchitecture(network(seed=seed)), training_epochs=2, batch_size=32)
        DLTrainingHandler(store=store, name=name)(mh, *blobs, callbacks)
        return mh

    return go


def test_a_training_has_a_record_under_its_name(fit, store):
    mh = fit("mine")
    record = store.runs.read("mine")
    assert (record.status, record.epochs, record.training_epochs) == ("completed", 2, 2)
    assert record.history == mh.history.history
    assert record.state == record.chain[2]
    assert record.layers[0]["path"] == "first"
    assert [segment.source for segment in record.segments] == ["trained"]
    assert store.verify() == []
    started = record.started
    fit("mine")
    record = store.runs.read("mine")
    assert [segment.source for segment in record.segments] == ["cached"]
    assert record.started == started


class SecondEpoch(keras.callbacks.Callback):
    """A callback whose metric first appears in the second epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch:
            logs["late"] = 1.0


def test_a_metric_of_later_epochs_leaves_a_readable_record(fit, store):
    fit("mine", [SecondEpoch()])
    first, second = store.runs.read("mine").history["late"]
    assert math.isnan(first)
    assert second == 1


def test_an_unnamed_run_is_named_after_its_key(fit, store):
    fit()
    fit()
    fit(seed=12)
    names = store.runs.names()
    assert len(names) == 2
    assert all(name == f"notebook-{store.runs.read(name).key[:8]}" for name in names)


def test_gc_keeps_the_states_of_a_notebook(fit, store):
    fit()
    kept = store.states.names()
    assert kept
    assert store.collect() == ([], 0)
    assert store.collect(keep=Retention(newest=2)) == ([], 0)
    assert store.states.names() == kept


def test_gc_drops_old_runs_of_notebooks(fit, store):
    for seed in (11, 12, 13):
        fit(f"run-{seed}", seed=seed)
    removed, _ = store.collect(keep=Retention(newest=2))
    assert len(store.runs.names()) == 2
    assert any(path.startswith("runs/run-") for path in removed)


class Fails(keras.callbacks.LambdaCallback):
    def __init__(self, error):
        super().__init__(on_epoch_end=lambda epoch, logs: self.fail(error))

    def fail(self, error):
        raise error


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("no\nbecause"), "failed", "ValueError: no"),
        (ValueError("http://user:pass-word@host"), "failed", "ValueError: http://***@host"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    ],
)
def test_a_training_that_ends_early_records_its_error(error, status, said, fit, store):
    with pytest.raises(type(error)):
        fit("mine", [Fails(error)])
    record = store.runs.read("mine")
    assert (record.status, record.error) == (status, said)
    assert effective_status(record, store.runs.is_alive("mine")) == status
    fit("mine")
    assert store.runs.read("mine").error is None


def test_a_refusal_leaves_the_record_unchanged(fit, store, monkeypatch):
    fit("mine")
    before = store.runs.read("mine")
    current = environment.current_environment
    monkeypatch.setattr(environment, "current_environment", lambda model: current(model) | {"keras": "0"})
    with pytest.raises(EnvironmentMismatch):
        fit("mine")
    assert store.runs.read("mine") == before


def test_a_run_in_use_by_another_kernel_is_refused(fit, store):
    with store.runs.lock("mine"), pytest.raises(BusyError, match="mine"):
        fit("mine")


def test_the_name_of_a_run_of_a_specification_is_refused(fit, store):
    fit("theirs")
    record = store.runs.read("theirs")
    store.runs.write(record.model_copy(update={"spec": {"name": "theirs"}}))
    with pytest.raises(SpecError, match="'theirs' is a run from a specification in this store; give another name"):
        fit("theirs")
    with pytest.raises(SpecError, match="can't name a run"):
        fit("../theirs")


def test_commands_that_need_a_specification_refuse_notebook_runs(fit, store):
    fit("mine")
    record = store.runs.read("mine")
    with pytest.raises(SpecError, match=r"'mine' was trained in a notebook.*run the cell again"):
        inputs_of_run(store, record)
    for epoch in (None, 2):
        with pytest.raises(SpecError, match=r"'mine' was trained in a notebook.*load_state\(store, '[0-9a-f]{32}', model\)"):
            TrainedModel(store, "mine", epoch)
