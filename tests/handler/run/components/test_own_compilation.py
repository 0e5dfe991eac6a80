"""A network compiled by its own function keeps the values that `model.compile` leaves out."""

import pytest

from handler.backend.models import compile_arguments
from handler.errors import SpecError
from handler.fingerprint.declaration import FileDigests, build_declaration
from handler.run.inputs import RunInputs
from handler.run.planner import RunPlanner
from handler.run.training_run import TrainingRun
from handler.spec.reader import dump_spec, parse_spec
from handler.store.store import Store
from tests.handler.runs import MODULE, SPEC, trains_in

OWN = """

def own(rate=0.5):
    model = network()
    model.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"], run_eagerly=False)
    return model


def ones():
    x, y = data()
    return x, np.eye(3, dtype="float32")[y]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE + OWN)
    return tmp_path


def spec_of(network="own", source="ones", **compiled):
    model = {"architecture": f"mine:{network}", **({"compile": compiled} if compiled else {})}
    return {
        **SPEC,
        "data": {"source": f"mine:{source}"},
        "model": model,
        "training": {"epochs": 1},
        "freeze_training": [],
    }


def compiled_as(folder, changes):
    run = TrainingRun(RunInputs(spec=parse_spec(changes), folder=str(folder), store=str(folder / "store"), name="mine"))
    model = run.live.mh.compiled
    return type(model.optimizer).__name__, model.loss, compile_arguments(model)


@pytest.mark.parametrize(
    ("compiled", "optimizer", "loss", "metrics"),
    [
        ({}, "SGD", "mse", ["mae"]),
        ({"class_weight": {"0": 2.0}}, "SGD", "mse", ["mae"]),
        ({"metrics": []}, "SGD", "mse", []),
        ({"optimizer": "adam"}, "Adam", "mse", ["mae"]),
    ],
)
def test_omitted_compile_options_come_from_the_network(compiled, optimizer, loss, metrics, folder):
    kind, rate, config = compiled_as(folder, spec_of(**compiled))
    assert (kind, rate, config["metrics"], config["run_eagerly"]) == (optimizer, loss, metrics, False)


def test_an_uncompiled_network_gets_the_default_options(folder):
    kind, rate, config = compiled_as(folder, spec_of("network", "data"))
    assert (kind, rate.__name__, config["metrics"]) == ("Adam", "sparse_categorical_crossentropy", [])


def test_an_empty_list_of_metrics_logs_only_the_loss(folder):
    final, _, _ = trains_in(folder)(spec_of("network", "data", metrics=[]))
    assert list(final["history"]) == ["loss"]


def test_a_default_loss_that_does_not_fit_is_refused(folder):
    run = TrainingRun(RunInputs(spec=parse_spec(spec_of("network")), folder=str(folder), store=str(folder / "store"), name="mine"))  # fmt: skip
    run.begin(run.plan())
    with pytest.raises(SpecError, match=r"^model.compile.loss: is missing, and the default sparse_categorical_cross"):
        run.pre_fit()


def test_a_callback_cannot_monitor_a_missing_metric(folder):
    watching = {"name": "EarlyStopping", "monitor": "accuracy"}
    changes = {**spec_of(), "training": {"epochs": 1, "callbacks": [watching]}}
    run = TrainingRun(RunInputs(spec=parse_spec(changes), folder=str(folder), store=str(folder / "store"), name="mine"))
    with pytest.raises(SpecError, match=r"training.callbacks\[0\].monitor: 'accuracy' can't be watched"):
        run.plan()


def keys_of(folder, changes):
    spec = parse_spec(changes)
    return RunPlanner(spec, folder, Store(folder / "store"), "mine").key


def test_only_options_that_change_the_training_change_the_key(folder):
    defaults = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": []}
    assert keys_of(folder, spec_of("network")) == keys_of(folder, spec_of("network", **defaults)), "as before"
    assert keys_of(folder, spec_of()) != keys_of(folder, spec_of(**defaults)), "it was trained with Adam"
    shipped = {"architecture": "pointnet"}
    before, after = ({**SPEC, "data": {"source": "synthetic"}, "model": {**shipped, **more}} for more in ({}, {"compile": defaults}))  # fmt: skip
    assert build_declaration(parse_spec(before), folder, FileDigests(None)) == build_declaration(parse_spec(after), folder, FileDigests(None))


def test_a_stored_specification_omits_the_same_options(folder):
    spec = parse_spec(spec_of())
    again = parse_spec(spec.model_dump(mode="json", by_alias=True))
    assert (again.model.compile.optimizer, again.model.compile.metrics) == (None, None)
    assert "optimizer: null" in dump_spec(spec)
    final, _, _ = trains_in(folder)(spec_of())
    run = TrainingRun(RunInputs(spec=again, folder=str(folder), store=str(folder / "store"), name="mine"))
    assert run.completed_record() is not None, "its key is known without its network"
    assert final["history"].keys() == {"loss", "mae"}
