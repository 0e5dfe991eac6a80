"""Trainings to kill, and uninterrupted trainings to compare them with."""

import pytest

from tests.faults import trainings
from tests.faults.comparison import left_behind
from tests.faults.driver import Training
from tests.faults.soak import not_trivial


@pytest.fixture(scope="session")
def uninterrupted(forker, tmp_path_factory):
    """Return a function that gives the result and the attempt of an uninterrupted training; each kind is trained once.
    """
    known = {}

    def trained(model="mlp", schedule="fixed", *changes):
        if (model, schedule, changes) not in known:
            folder = trainings.place(tmp_path_factory.mktemp("whole") / "training", model, schedule)
            training = Training(forker, folder, changes=changes)
            attempt = training.complete()
            left = left_behind(training.store, training.name)
            assert not_trivial(left, attempt) == []
            assert (left["damages"], left["swept"]) == ([], [])
            known[model, schedule, changes] = left, attempt
        return known[model, schedule, changes]

    return trained


@pytest.fixture
def begun(forker, tmp_path):
    """Return a function that makes a training in a new folder."""

    def training(model="mlp", schedule="fixed", *changes, through="stages", name="training"):
        return Training(forker, trainings.place(tmp_path / name, model, schedule), through, changes=changes)

    return training
