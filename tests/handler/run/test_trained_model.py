"""The weights of a run, at its end and at an epoch: start from them, predict with them and export them."""

import json

import numpy as np
import pytest

from flows.cli.export import export_model
from flows.cli.output import Output
from flows.cli.predict import predict_file
from handler.errors import SpecError
from handler.run.inputs import RunInputs
from handler.run.trained_model import TrainedModel
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.state.keras_state import weights_digest
from tests.handler.conftest import Epochs

MODULE = '''
from pathlib import Path

import keras
import numpy as np
from keras import layers as L

HERE = Path(__file__).parent


def data():
    with (HERE / "calls").open("a") as calls:
        calls.write("x")
    x = np.load(HERE / "data" / "x.npy")
    return x, x[:, :3].argmax(axis=1).astype("int64")


def network(adapted=True, lora=0, lambdas=False, head="head", frozen=False):
    norm = L.Normalization(name="norm")
    if adapted:
        norm.adapt(np.random.default_rng(5).normal(4.0, 2.0, (50, 4)))
    inputs = keras.Input((4,))
    x = L.Dropout(0.2, name="drop")(L.Dense(6, activation="relu", name="low")(norm(inputs)))
    x = L.Lambda(lambda v: v * 2, name="twice")(x) if lambdas else x
    model = keras.Model(inputs, L.Dense(3, activation="softmax", name=head)(x))
    if lora:
        model.get_layer("low").enable_lora(lora)
    model.get_layer("low").trainable = not frozen
    return model
'''
SPEC = {
    "data": {"source": "begun:data"},
    "model": {"architecture": "begun:network", "compile": {"optimizer": {"name": "adam", "learning_rate": 0.05}}},
    "training": {"epochs": 3, "batch_size": 16},
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "begun.py").write_text(MODULE)
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "x.npy", np.random.default_rng(1).normal(4.0, 2.0, (48, 4)).astype("float32"))
    return tmp_path


@pytest.fixture
def train(folder):
    """Return a function that trains under a name and returns the completed run."""

    def go(name, args=None, weights=None, **training):
        model = SPEC["model"] | {"args": args or {}, "weights": weights}
        spec = parse_spec({**SPEC, "name": name, "model": model, "training": SPEC["training"] | training})
        run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name=name))
        plan = run.plan()
        run.begin(plan)
        run.pre_fit()
        run.sources = [run.train_segment(segment.index).source for segment in plan.segments]
        run.post_fit()
        run.report()
        run.mark_completed()
        return run

    return go


def start_of(run):
    """Return the variables of the first state by name."""
    store = run.store
    return store.states.read(run.planning.chain.keys[0]).arrays


def answer(capsys, ask, *args):
    ask(Output(True, []), *args)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("args", [{"lora": 2}, {"lambdas": True}])
def test_both_spellings_of_a_runs_end_give_the_same_weights(train, args):
    train("a", args)
    by_name = train("b", args, "run:a")
    end = train("c", args, "run:a@3")
    assert by_name.planning.key == end.planning.key
    assert end.sources == ["cached"]
    stored = by_name.store.states.read(by_name.store.runs.read("a").state).arrays
    begun = start_of(by_name)
    assert all(np.array_equal(stored[n], begun[n]) for n in stored if n.startswith("model/") and "seed" not in n)
    if "lora" in args:
        moved = by_name.store.states.read(by_name.store.runs.read("b").state).arrays
        halves = [name for name in begun if name.startswith("model/") and "/lora_kernel" in name]
        assert len(halves) == 2
        assert all(not np.array_equal(begun[name], moved[name]) for name in halves)
    assert end.store.runs.read("c").initial_weights.source == "run:a@3"
    weights = by_name.store.runs.read("b").initial_weights
    assert (weights.source, weights.loaded, weights.kept) == ("run:a", ["norm", "low", "head"], [])


def test_a_final_model_other_than_its_last_state_has_its_own_key(train):
    stops = {"callbacks": [{"name": "EarlyStopping", "monitor": "loss", "mode": "max", "patience": 1, "restore_best_weights": True}]}
    ended = train("a", **stops)
    record = ended.store.runs.read("a")
    assert (record.final_is_state, record.model_differs, record.stopped) == (False, True, True)
    best, last = train("b", weights="run:a"), train("c", weights=f"run:a@{record.epochs}")
    assert best.planning.key != last.planning.key
    assert weights_digest(TrainedModel(ended.store, "a").mh.arch.nn) == record.weights
    dense = "model/0003 low/kernel"
    assert dense in start_of(best)
    assert not np.array_equal(start_of(best)[dense], start_of(last)[dense])
    assert train("d").store.runs.read("d").final_is_state


def test_an_adapted_normalisation_is_loaded_from_the_run(train, folder, capsys):
    """The function builds the layer unadapted the second time; the state has its adapted statistics."""
    source = train("a")
    (folder / "begun.py").write_text(MODULE.replace("adapted=True", "adapted=False"))
    x = np.load(folder / "data" / "x.npy")
    wanted = source.live.mh.predict(x)
    np.savez(folder / "x.npz", X=x)
    assert np.array_equal(TrainedModel(source.store, "a").predict([x]), wanted)
    asked = answer(capsys, predict_file, "a", folder / "x.npz", folder / "y.npz", str(folder / "store"), 3)
    assert asked["points"] == 48
    assert np.array_equal(np.load(folder / "y.npz")["predictions"], wanted)
    begun = train("b", {"head": "other"}, "run:a@3", epochs=1)
    weights = begun.store.runs.read("b").initial_weights
    assert (weights.loaded, weights.kept, weights.derived) == (["norm", "low"], ["other"], ["norm"])
    norm = begun.live.mh.arch.nn.get_layer("norm")
    assert np.allclose(norm(x), source.live.mh.arch.nn.get_layer("norm")(x))
    report = (begun.store.runs.folder("b") / "report.html").read_text()
    assert "run:a@3 gives 2 of 3 layers their values; other keep their initial values" in report


def test_predict_and_export_need_no_training_data(train, folder, tmp_path_factory, capsys, monkeypatch):
    run = train("a")
    calls = (folder / "calls").read_text()
    (folder / "data").rename(folder / "gone")
    x = np.load(folder / "gone" / "x.npy")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    np.savez(elsewhere / "x.npz", X=x)
    monkeypatch.chdir(elsewhere)
    store = str(folder / "store")
    exported = answer(capsys, export_model, "a", None, elsewhere / "m.keras", store)
    assert exported["weights"] == run.store.runs.read("a").weights
    answer(capsys, export_model, "a", 0, elsewhere / "first.keras", store)
    answer(capsys, predict_file, "a", elsewhere / "x.npz", elsewhere / "y.npz", store)
    assert np.array_equal(np.load(elsewhere / "y.npz")["predictions"], run.live.mh.predict(x))
    assert (folder / "calls").read_text() == calls
    for ask in (
        lambda: answer(capsys, export_model, "a", 2, elsewhere / "x.keras", store),
        lambda: answer(capsys, predict_file, "a", elsewhere / "x.npz", elsewhere / "z.npz", store, 2),
    ):
        with pytest.raises(SpecError, match="run 'a': the store has no state after epoch 2; it has: 0, 3"):
            ask()
    assert sorted(file.name for file in elsewhere.iterdir()) == ["first.keras", "m.keras", "x.npz", "y.npz"]


def test_an_epoch_within_a_segment_cannot_be_a_start(train):
    train("a")
    with pytest.raises(SpecError, match="'run:a@2': the store has no state after epoch 2; it has: 0, 3"):
        train("b", weights="run:a@2")


def test_plan_and_run_report_frozen_layers_and_initial_weights(train, folder):
    train("a")
    spec = parse_spec(
        {
            **SPEC,
            "model": SPEC["model"] | {"args": {"frozen": True}, "weights": {"file": "run:a", "into": "low"}},
            "freeze_training": [{"training_interval": [1, 2], "layers": ["low"]}],
        }
    )
    run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name="b"))
    for plan in (run.plan(), TrainingRun(run.inputs).plan()):  # from the built network, and from the cached plan
        assert [text.split(",")[0] for text in plan.warnings] == ["freeze_training names low"]
        assert plan.initial_weights.loaded == ["low"]
        assert plan.initial_weights.kept == ["norm", "head"]
    watch = Epochs()
    run.observers.append(watch)
    assert run.begin(plan).initial_weights == plan.initial_weights
    assert watch.notes == [*plan.warnings, plan.initial_weights.text]
