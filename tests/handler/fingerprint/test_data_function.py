"""Messages about data that was not read again, and about data that was read and differs."""

import shutil

import pytest

from handler.data import sources
from handler.fingerprint.data_function import describe_compared
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from tests.good_spec import changed

JOBS = """
import numpy as np

def load():
    X = np.loadtxt("table.csv", delimiter=",", dtype="float32")  # relative to the specification's folder
    return X, np.arange(len(X)) % 2

def network():
    import keras
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax", name="head")])
"""
SPEC = {
    "name": "reads",
    "data": {"source": "jobs:load"},
    "model": {"architecture": "jobs:network"},
    "training": {"epochs": 1, "batch_size": 4},
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "things:data was not called: declare files that it reads with data.files"),
        ({"data.validation": "things:data"}, "things:data and things:data were not called"),
        ({"data.files": ["x"]}, "its specification, its code and the files of data.files are unchanged"),
        ({"data": {"source": "a.npz"}}, "its specification, its code and its data files are unchanged"),
        ({"data": {"source": ["a.las", "b.las"]}, "model.compile.loss": "mse"}, "its data files"),
    ],
)
def test_the_message_names_the_parts_that_were_compared(change, said):
    assert said in describe_compared(parse_spec(changed(change)))


def test_the_plan_warns_of_changed_data_that_it_has_read_again(tmp_path):
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "table.csv").write_text("1,2,3\n4,5,6\n")

    def run():
        return TrainingRun(
            RunInputs(spec=parse_spec(SPEC), folder=str(tmp_path), store=str(tmp_path / "store"), name="reads")
        )

    first = run()
    first.begin(first.plan())
    first.pre_fit()
    first.train_segment(0)
    (tmp_path / "table.csv").write_text("1,2,3\n4,5,7\n")
    assert run().plan().warnings == [], "the network is remembered, so the function isn't called"
    shutil.rmtree(tmp_path / "store" / "plans")
    (said,) = run().plan().warnings
    assert said.startswith("data.source: jobs:load returned another X than the states of this training were trained on")
    (tmp_path / "table.csv").write_text("1,2,3\n4,5,6\n")
    sources.load(run().spec.data, tmp_path, run().spec.seed)  # takes the result that `plan` keeps
    shutil.rmtree(tmp_path / "store" / "plans")
    assert run().plan().warnings == []
