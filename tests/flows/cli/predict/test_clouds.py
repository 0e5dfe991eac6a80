"""`frostline predict` on a cloud: noise keeps its code, and a cloud-optimised file becomes a plain one."""

import laspy
import numpy as np
import pytest

from flows.answers import FailureAnswer, PredictAnswer
from tests.handler.data.conftest import write_copc  # noqa: F401 (a fixture)

SPECIFICATION = """
name: clouds
seed: 3
data:
  source: synthetic
  args:
    classes: {ground: [2], building: [6]}
    features: [intensity, height_above_ground]
    leave_out: [7, 18]
    receptive_fields: {radius: 5.0, points: 32, count: 4}
    scene: {tiles: 1, size: 20, density: 4}
model: {architecture: "own:network"}
training: {epochs: 1, batch_size: 4, threads: 1}
"""
NETWORK = """
import keras

def network():
    xyz, features = keras.Input((None, 3)), keras.Input((None, 2))
    joined = keras.layers.Concatenate()([xyz, features])
    return keras.Model([xyz, features], keras.layers.Dense(2, activation="softmax")(joined))
"""


@pytest.fixture(scope="module")
def run(forker, tmp_path_factory):
    """Return a folder with a small network that was trained on clouds without their noise."""
    folder = tmp_path_factory.mktemp("clouds")
    (folder / "clouds.yaml").write_text(SPECIFICATION)
    (folder / "own.py").write_text(NETWORK)
    typed = forker.type("train", "clouds.yaml", "--name", "clouds", "--store", "kept", "--json", folder=folder)
    assert typed.code == 0, typed.stderr
    return folder


@pytest.fixture
def predict(forker, run):
    """Return a function that classifies a file of the folder, and returns the finished command."""

    def predict_(source, output, *more):
        return forker.type("predict", "clouds", source, "-o", output, "--store", "kept", *more, folder=run)

    return predict_


def test_predict_keeps_the_codes_of_noise_in_plain_laz(predict, run, write_copc):  # noqa: F811
    las = laspy.read(write_copc(run / "plain.laz"))
    codes = np.asarray(las.classification).copy()
    codes[[5, 77]] = 7
    source = write_copc(run / "in.copc.laz", codes=codes)
    typed = predict("in.copc.laz", "out.laz", "--json")
    assert PredictAnswer.model_validate(typed.answer).points == 498
    cloud = laspy.read(run / "out.laz")
    assert np.flatnonzero(cloud.classification == 7).tolist() == [5, 77]
    assert set(np.unique(cloud.classification)) <= {2, 6, 7}
    assert [record.record_id for record in cloud.evlrs] == [8]
    assert np.array_equal(cloud.X, laspy.read(source).X)
    shown = " ".join(typed.stderr.split())
    assert "in.copc.laz is cloud-optimised (COPC); out.laz is plain LAZ" in shown
    assert "2 points of the codes 7, 18 keep their classification" in shown


@pytest.mark.parametrize("content", [b"LASF" + bytes(500), b""])
def test_predict_refuses_an_unreadable_cloud(predict, run, content):
    (run / "bad.laz").write_bytes(content)
    typed = predict("bad.laz", "never.laz", "--json")
    assert typed.code == 2
    assert "bad.laz can't be read as LAS" in FailureAnswer.model_validate(typed.answer).error
    assert not list(run.glob("never*"))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("never.copc.laz", "never.copc.laz has the name of a cloud-optimised file"),
        ("never.las", "never.las is of another kind"),
    ],
)
def test_predict_refuses_an_unsupported_output(predict, run, write_copc, output, message):  # noqa: F811
    write_copc(run / "good.laz")
    typed = predict("good.laz", output, "--json")
    assert typed.code == 2
    assert message in FailureAnswer.model_validate(typed.answer).error
    assert not list(run.glob("never*"))
