"""Specifications whose data, network and loss do not fit each other, and networks built from the data."""

import pytest

from handler.errors import FrostlineError, UserCodeError
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from tests.handler.runs import MODULE, trains_in

MORE = """

def labels(most):
    x, y = data(60)
    return x, y % most if most < 3 else y + most - 3


def ones():
    x, y = data(60)
    return x, np.eye(3, dtype="uint8")[y]


def halves():
    x, y = data(60)
    return x, y, x[:, :4], y


def pairs():
    x, y = data(60)
    return [x, x[:, :2]], y


def head(units=3):
    return keras.Sequential([L.Dense(8, name="body"), L.Dense(units, name="head")])


class Broken(keras.metrics.Mean):
    def update_state(self, y, p, sample_weight=None):
        raise RuntimeError("no [/x] here")


def broken(y, p):
    return None.size


class Two(keras.Model):
    def __init__(self):
        super().__init__()
        self.body, self.head = L.Dense(8, name="body"), L.Dense(3, name="head")

    def call(self, inputs):
        return self.head(keras.ops.concatenate([self.body(inputs[0]), inputs[1]], axis=-1))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE + MORE)
    return tmp_path


def spec_of(source, architecture="mine:network", loss=None, **model):
    named, _, most = source.partition(" ")
    compiled = {"compile": {"loss": loss}} if loss else {}
    return {
        "data": {"source": f"mine:{named}", "args": {"most": int(most)} if most else {}},
        "model": {"architecture": architecture, **compiled, **model},
        "training": {"epochs": 1, "batch_size": 32},
        "freeze_training": [],
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (spec_of("labels 4"), "^data.source: y has the label 3 in row .*; give it a unit per class"),
        (spec_of("ones"), "^model.compile.loss: is missing, and the default sparse_categorical_crossentropy takes class numbers"),
        (spec_of("labels 2", loss="categorical_crossentropy"), "^model.compile.loss: .* use sparse_categorical"),
        (spec_of("labels 2", "mine:head", args={"units": 1}), "^model.compile.loss: .* use binary_crossentropy with a"),
        (spec_of("labels 2", loss="mse"), r"^model.compile.loss: mean_squared_error compares y and .* the output \(3,\)"),
        (spec_of("halves"), r"^data.validation: input 0 has examples of shape \(4,\), the network takes \(6,\)"),
        (spec_of("pairs"), "^data.source: gives 2 input arrays, the network takes 1"),
    ],
)
def test_data_that_no_step_accepts_is_refused_before_training(changes, said, folder):
    spec = parse_spec({"name": "mine", **changes})
    run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name="mine"))
    run.begin(run.plan())
    with pytest.raises(FrostlineError, match=said) as caught:
        run.pre_fit()
    assert caught.value.exit_code == 2
    assert not list((folder / "store").glob("states/*"))


@pytest.mark.parametrize(
    ("compiled", "said", "line"),
    [
        ({"metrics": ["mine:Broken"]}, r"Broken.update_state\(.*\) in mine.py failed: RuntimeError: no \[/x\] here$", "no [/x]"),
        ({"loss": "mine:broken"}, r"broken\(.*\) in mine.py failed: AttributeError: 'NoneType' .* 'size'$", "None.size"),
    ],
    ids=["a metric", "a loss"],
)
def test_an_error_in_a_users_loss_or_metric_is_shown_with_its_line(compiled, said, line, folder):
    spec = parse_spec({"name": "mine", **spec_of("data"), "model": {"architecture": "mine:network", "compile": compiled}})
    run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name="mine"))
    run.begin(run.plan())
    with pytest.raises(UserCodeError, match=said) as caught:
        run.pre_fit()
    assert caught.value.exit_code == 1
    assert line in caught.value.frames


@pytest.mark.parametrize(("source", "architecture"), [("data", "mine:head"), ("pairs", "mine:Two")])
def test_an_unbuilt_network_is_built_from_the_data(source, architecture, folder):
    loss = {"name": "SparseCategoricalCrossentropy", "from_logits": True}
    changes = {**spec_of(source, architecture, loss), "freeze_training": [{"layers": ["body"]}]}
    final, records, _ = trains_in(folder)(changes)
    assert records[0].frozen == ["body"]
    assert trains_in(folder)(changes)[0]["weights"] == final["weights"]
    again = trains_in(folder)(changes, store="other")[0]
    assert again["weights"] == final["weights"], "it is built with the specification's seed"
