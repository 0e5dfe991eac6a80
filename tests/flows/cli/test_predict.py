"""The output of `frostline predict` for arrays: with a binary sigmoid head, and with numeric outputs."""

import numpy as np
import pytest

from flows.answers import (
    FailureAnswer,
    PredictAnswer,
)
from flows.cli.output import Output
from flows.cli.predict import predict_file
from handler.errors import DataError
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from tests.handler.runs import MODULE, SPEC
from tests.models.small import arrays

HEADS = """

def head(activation):
    i = keras.Input((6,))
    return keras.Model(i, L.Dense(1, activation=activation, name="out")(L.Dense(8, name="first")(i)))


def halves():
    x, y = data()
    return x, (y > 0).astype("int64")


def numbers():
    x, _ = data()
    return x, x[:, 0] * 3.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder in which both networks were trained."""
    folder = tmp_path_factory.mktemp("heads")
    (folder / "mine.py").write_text(MODULE + HEADS)
    for name, source, activation, loss in (
        ("two", "halves", "sigmoid", "binary_crossentropy"),
        ("number", "numbers", "linear", "mse"),
    ):
        model = {"architecture": "mine:head", "args": {"activation": activation}, "compile": {"loss": loss}}
        changes = {"name": name, "data": {"source": f"mine:{source}"}, "model": model, "training": {"epochs": 2}}
        spec = parse_spec({**SPEC, **changes, "freeze_training": []})
        run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name=name))
        run.begin(run.plan())
        run.pre_fit()
        run.train_segment(0)
        run.post_fit()
    return folder


def predict(folder, run, capsys, **arrays):
    np.savez(folder / "new.npz", **arrays)
    with Output(False, ["predict"]) as output:
        predict_file(output, run, folder / "new.npz", folder / "out.npz", str(folder / "store"))
    with np.load(folder / "out.npz") as file:
        return dict(file)


X = np.random.default_rng(5).normal(size=(40, 6)).astype("float32")


def test_a_sigmoid_output_is_labelled_by_a_threshold(folder, capsys):
    answer = predict(folder, "two", capsys, X=X, y=(X[:, :3].argmax(axis=1) > 0).astype("int64"))
    assert answer["predictions"].shape == (40, 1)
    assert np.array_equal(answer["labels"], (answer["predictions"][:, 0] >= 0.5).astype("int64"))
    assert "overall accuracy" in capsys.readouterr().out


def test_numeric_outputs_have_no_labels(folder, capsys):
    answer = predict(folder, "number", capsys, X=X, y=X[:, 0] * 3.0)
    assert answer.keys() == {"predictions"}
    shown = capsys.readouterr().out
    assert "mae" in shown
    assert "rmse" in shown


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.full((3, 6), np.inf, "float32"), "X of .* has 18 values that are not finite .* the first in row 0"),
        (np.ones((0, 6), "float32"), "has 0 examples; give one or more"),
    ],
)
def test_input_without_finite_numbers_is_refused(x, said, folder, capsys):
    with pytest.raises(DataError, match=said):
        predict(folder, "number", capsys, X=x)


def test_predict_scores_the_predictions_that_it_writes(frostline, trained, tmp_path):
    folder, _ = trained
    X, y = arrays(40, seed=8)
    np.savez(tmp_path / "new.npz", X=X, y=y)
    typed = frostline("predict", "whole", tmp_path / "new.npz", "-o", tmp_path / "out.npz", "--store", "kept", "--json", folder=folder)
    predicted = PredictAnswer.model_validate(typed.answer)
    with np.load(tmp_path / "out.npz") as file:
        assert file["predictions"].shape == (40, 2)
        assert (file["labels"] == file["predictions"].argmax(axis=1)).all()
        assert predicted.scores["overall_accuracy"] == pytest.approx((file["labels"] == y).mean())
    assert predicted.points == 40


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"X": (40, 5)}, "X of bad.npz has examples of shape [5], 'whole' was trained on [8]; give examples of that shape"),
        ({"X": (40,)}, "X of bad.npz has examples of shape [], 'whole' was trained on [8]"),
        ({"X0": (40, 8), "X1": (40, 8)}, "bad.npz has 2 inputs, 'whole' was trained on 1"),
        ({"X": (0, 8)}, "X of bad.npz has 0 examples; give one or more"),
        ({"Z": (40, 8)}, "bad.npz has no X (or X0, X1, ...); it has: Z"),
        (b"PK no archive", "bad.npz can't be read as .npz (File is not a zip file)"),
    ],
)
def test_predict_refuses_arrays_that_do_not_fit_the_run(content, message, answer, trained):
    file = trained[0] / "bad.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.savez(file, **{name: np.zeros(shape, "float32") for name, shape in content.items()})
    assert message in answer(FailureAnswer, "predict", "whole", "bad.npz", "-o", "never.npz", code=2).error
    assert not (trained[0] / "never.npz").exists()
