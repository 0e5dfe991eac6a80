"""One training from a specification, stage by stage: cached segments, resumption after a kill, identical bits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from handler.errors import BusyError, EnvironmentMismatch, MismatchError, SpecError
from handler.observer import Observer
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.store import atomic_dirs
from handler.store.run_retention import Retention
from handler.store.store import Store
from tests.handler.runs import MODULE, SPEC, trains_in


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def train(folder):
    return trains_in(folder)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Return a folder in which the specification was trained, and its final scores."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "mine.py").write_text(MODULE)
    return folder, trains_in(folder)()[0]


@pytest.fixture
def whole(once):
    """Return the final scores of the uninterrupted training."""
    return once[1]


@pytest.fixture
def finished(once, folder, whole):
    """Copy the store of the uninterrupted training to this test's folder and return the final scores."""
    shutil.copytree(once[0] / "store", folder / "store")
    return whole


def test_a_finished_training_is_cached_segment_by_segment(train):
    first, records, watch = train()
    assert [(r.start, r.end) for r in records] == [(0, 1), (1, 3), (3, 4), (4, 5), (5, 6)]
    assert [r.source for r in records] == ["trained"] * 5
    assert watch.epochs == list(range(6))
    again, records, watch = train()
    assert (again["weights"], again["history"]) == (first["weights"], first["history"])
    assert [(r.source, r.trained_epochs) for r in records] == [("cached", 0)] * 5
    assert watch.epochs == []


def test_changing_the_last_entry_retrains_only_from_its_first_epoch(train, finished):
    entries = [SPEC["freeze_training"][0], {**SPEC["freeze_training"][1], "initial_learning_rate": 0.03}]
    changed, records, watch = train({"freeze_training": entries})
    assert watch.epochs == [3, 4, 5]
    assert [r.source for r in records] == ["cached", "cached", "trained", "trained", "trained"]
    assert changed["weights"] != finished["weights"]
    alone, _, _ = train({"freeze_training": entries}, store="other")
    assert alone["weights"] == changed["weights"], "a shared start changes no bit"


def test_a_fully_cached_run_records_its_data(train, folder, finished):
    train({"name": "other"})
    dataset = Store(folder / "store").runs.read("other").dataset
    assert dataset["inputs"] == [{"shape": [6], "dtype": "float32"}], "predict and export read no data"


def test_a_longer_run_continues_from_cached_states(train, finished):
    longer, _, watch = train({"name": "longer", "training": {"epochs": 8, "batch_size": 32}})
    assert watch.epochs == [6, 7]
    whole, _, _ = train({"training": {"epochs": 8, "batch_size": 32}}, store="other")
    assert longer["weights"] == whole["weights"]
    assert len(longer["history"]["loss"]) == 8


@pytest.mark.parametrize("kill_at", [(3, 6), *(pytest.param(at, marks=pytest.mark.service) for at in ((0, 2), (5, 1)))])
def test_a_killed_training_resumes_bit_identically(train, folder, kill_at, whole):
    code = f"""
        import os, signal
        from handler.observer import Observer
        from handler.run import RunInputs, TrainingRun
        from handler.spec import parse_spec
        class Kill(Observer):
            def on_step(self, epoch, step, steps, logs):
                if (epoch, step) == {kill_at!r}:
                    os.kill(os.getpid(), signal.SIGKILL)
        spec = parse_spec({SPEC!r})
        run = TrainingRun(RunInputs(spec=spec, folder={str(folder)!r}, store={str(folder / "store")!r}, name="mine"))
        run.observers.append(Kill())
        plan = run.plan()
        run.begin(plan)
        for segment in plan.segments:
            run.train_segment(segment.index)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    resumed, records, watch = train()
    begun = max(r.start for r in records if r.start <= kill_at[0])
    first = watch.epochs[0]
    assert first in (kill_at[0], max(begun, kill_at[0] - 1)), "only a snapshot that was in the writing is lost"
    assert watch.epochs == list(range(first, 6))
    assert [r.source for r in records if r.end <= kill_at[0]] == ["cached"] * sum(r.end <= kill_at[0] for r in records)
    assert (resumed["weights"], resumed["history"]) == (whole["weights"], whole["history"])


def test_damaged_states_are_trained_again_by_a_longer_run(train, folder, finished):
    store = Store(folder / "store")
    record = store.runs.read("mine")
    for key in (record.chain[6], record.chain[5]):
        chunk = next(p for p in (store.states.folder(key) / "variables.zarr").rglob("*") if p.is_file() and "c" in p.parts)
        data = bytearray(chunk.read_bytes())
        data[len(data) // 2] ^= 1
        chunk.write_bytes(data)
    assert len(store.verify()) == 2
    entries = [*SPEC["freeze_training"], {"training_interval": [6, 7], "layers": ["head"]}]
    _, _, watch = train({"freeze_training": entries, "training": {"epochs": 7, "batch_size": 32}})
    assert watch.epochs == [4, 5, 6]
    assert sum("don't match their checksum" in note for note in watch.notes) == 2
    again, _, _ = train()
    assert again["weights"] == finished["weights"]


def test_a_damaged_final_state_is_trained_again(train, folder, finished):
    store = Store(folder / "store")
    key = store.runs.read("mine").chain[6]
    chunk = next(p for p in (store.states.folder(key) / "variables.zarr").rglob("*") if p.is_file() and "c" in p.parts)
    data = bytearray(chunk.read_bytes())
    data[0] ^= 1
    chunk.write_bytes(data)
    again, records, watch = train()
    assert [r.source for r in records] == ["cached"] * 5, "its size is right"
    assert watch.epochs == [5]
    assert again["weights"] == finished["weights"]
    assert store.verify() == []


def test_damaged_files_of_a_finished_run_are_written_again(train, folder, finished):
    store = Store(folder / "store")
    run = TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder / "store"), name="mine"))
    files = [store.runs.folder("mine") / name for name in ("model.keras", "history.csv", "report.html", "spec.yaml")]
    before = [file.read_bytes() for file in files]
    for file, data in zip(files, before, strict=True):
        file.write_bytes(data[:-9])
        assert run.completed_record() is None, file
        file.write_bytes(data)
    assert run.completed_record() is not None
    for file, data in zip(files, before, strict=True):
        file.write_bytes(data[:-9])
    again, _, watch = train()
    assert (again["weights"], watch.epochs) == (finished["weights"], [])
    assert run.completed_record() is not None
    assert store.verify() == []


def test_undeclared_changes_of_data_are_refused(train, folder):
    changes = {"data": {"source": "mine:files"}}
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(64, 6)).astype("float32"))
    train(changes)
    np.save(folder / "x.npy", np.random.default_rng(1).normal(size=(64, 6)).astype("float32"))
    with pytest.raises(MismatchError, match=r"data: state \w+ was trained with X float32 \(64, 6\) \w+ and y .*, this training has X .*data.version"):
        train({**changes, "training": {"epochs": 7, "batch_size": 32}})


def test_another_environment_is_refused_unless_allowed(train, folder, finished):
    store = Store(folder / "store")
    key = store.runs.read("mine").chain[6]
    atomic_dirs.update_manifest(store.states.folder(key), environment={**store.states.manifest(key)["environment"], "keras": "3.14.0"})
    longer = {"training": {"epochs": 7, "batch_size": 32}}
    with pytest.raises(EnvironmentMismatch, match=r"environment.keras: .*'3.14.0', this process has '3.1.*--allow-environment-change"):
        train(longer)
    _, _, watch = train(longer, allow_environment_change=True)
    assert "the change was allowed, the result may not be bit-identical" in watch.notes[0]


def test_a_stop_within_an_epoch_loses_no_step(folder, whole):
    from handler.errors import Interrupted
    from handler.stop_flag import stop

    class StopAt(Observer):
        def on_step(self, epoch, step, steps, logs):
            if (epoch, step) == (3, 4):
                stop.request("SIGINT")

    spec = parse_spec(SPEC)
    run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name="mine"))
    run.observers.append(StopAt())
    plan = run.plan()
    run.begin(plan)
    try:
        with pytest.raises(Interrupted, match="SIGINT"):
            [run.train_segment(segment.index) for segment in plan.segments]
    finally:
        stop.reset()
    run.mark_interrupted("stopped by SIGINT")
    store = Store(folder / "store")
    assert store.runs.read("mine").status == "interrupted"
    assert [name for name in store.states.names() if "-step-4" in name]
    steps = []

    class Steps(Observer):
        def on_step(self, epoch, step, steps_, logs):
            steps.append((epoch, step))

    run = TrainingRun(run.inputs)
    run.observers.append(Steps())
    records = [run.train_segment(segment.index) for segment in plan.segments]
    assert steps[0] == (3, 5)
    assert records[2].source == "resumed"
    final = run.post_fit()
    assert (final["weights"], final["history"]) == (whole["weights"], whole["history"])
    assert not [name for name in store.states.names() if "-step-" in name], "what is behind is dropped"


def test_a_stop_by_a_callback_ends_the_chain(train):
    changes = {"training": {"epochs": 6, "batch_size": 32,
                            "callbacks": [{"name": "EarlyStopping", "monitor": "loss", "patience": 1, "min_delta": 9.0,
                                           "restore_best_weights": True}]}}  # fmt: skip
    final, records, _ = train(changes)
    assert final["stopped"]
    assert final["epochs"] == 2
    assert [(r.start, r.end, r.stopped) for r in records] == [(0, 1, False), (1, 2, True)]
    again, records, watch = train(changes)
    assert watch.epochs == []
    assert again["weights"] == final["weights"]


def test_a_finished_run_is_planned_without_tensorflow(train, folder):
    first, _, _ = train()
    code = f"""
        import json, sys
        from handler.run import RunInputs, TrainingRun
        from handler.spec import parse_spec
        run = TrainingRun(RunInputs(spec=parse_spec({SPEC!r}), folder={str(folder)!r}, store={str(folder / "store")!r}, name="mine"))
        plan, record = run.plan(), run.completed_record()
        heavy = [m for m in ("tensorflow", "keras", "prefect", "zarr") if m in sys.modules]
        print(json.dumps([record.weights, [s.cached for s in plan.segments], [s.source for s in record.segments], heavy]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == [first["weights"], [True] * 5, ["cached"] * 5, []]


def test_a_run_has_one_writer(folder):
    run = TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder / "store"), name="mine"))
    other = TrainingRun(run.inputs)
    with run.lock(), pytest.raises(BusyError, match=f"run 'mine' is being used by process {os.getpid()}"), other.lock():
        pass
    with other.lock():
        assert run.store.runs.is_alive("mine")
    assert not run.store.runs.is_alive("mine")


def test_temporary_files_of_a_dead_writer_are_removed_at_the_start(folder):
    run = TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder / "store"), name="mine"))
    for part in ("", "states", "prefit", "backups", "plans", "runs", "runs/other"):
        (folder / "store" / part / ".tmp-1-00c0ffee-x" / "deep").mkdir(parents=True)
    run.begin(run.plan())
    assert not list(folder.rglob(".tmp-*"))


def test_a_run_name_that_leaves_the_store_is_refused(folder):
    with pytest.raises(SpecError, match="can't name a run"):
        TrainingRun(RunInputs(spec=parse_spec(SPEC), folder=str(folder), store=str(folder), name="../out"))


def test_a_dropped_run_is_removed_with_its_unshared_states(train, folder):
    for name, epochs in (("first", 7), ("second", 5), ("third", 6)):
        train({"name": name, "training": {"epochs": epochs, "batch_size": 32}})
    store = Store(folder / "store")
    tail = {segment.state for segment in store.runs.read("first").segments} - {
        segment.state for name in ("second", "third") for segment in store.runs.read(name).segments
    }
    assert len(tail) == 1, "they share the rest"
    removed, size = store.collect(keep=Retention(newest=2))
    assert removed == sorted(["runs/first", *(f"states/{key}" for key in tail)])
    assert size > 0
    assert store.runs.names() == ["second", "third"]
    assert store.verify() == []
    _, _, watch = train({"name": "third", "training": {"epochs": 6, "batch_size": 32}})
    assert watch.epochs == []


def test_gc_removes_only_states_that_no_run_needs(train, folder, finished):
    store = Store(folder / "store")
    assert store.collect() == ([], 0)
    changed = [SPEC["freeze_training"][0]]
    train({"freeze_training": changed})  # the same run: no run refers to the old last states any more
    removed, size = store.collect(dry_run=True)
    assert removed
    assert size > 0
    assert store.collect()[0] == removed
    assert store.verify() == []
    _, _, watch = train({"freeze_training": changed})
    assert watch.epochs == []
    again, _, watch = train()
    assert watch.epochs == [3, 4, 5]
    assert again["weights"] == finished["weights"]


def test_the_handler_alone_is_bit_identical_to_the_run(folder, whole):
    from handler import DLTrainingHandler
    from handler.data.sources import shape
    from handler.run.builders import build_model_handler, load_data
    from handler.state.keras_state import weights_digest

    spec, store = parse_spec(SPEC), Store(folder / "alone")
    data = load_data(spec, folder, store)
    mh = build_model_handler(spec, folder, store, shape(spec.data, folder))
    DLTrainingHandler(SPEC["freeze_training"])(mh, data.X, data.y, [])
    assert weights_digest(mh.compiled) == whole["weights"]
    assert mh.history.history == whole["history"]
