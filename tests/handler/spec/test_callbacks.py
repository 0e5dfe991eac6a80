"""Checks of a specification's callbacks before and during a run."""

import dataclasses

import pytest

from handler.errors import SpecError
from handler.observer import Observer
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.callback_rules import RULES
from handler.spec.callbacks import check_packages
from handler.spec.reader import parse_spec
from tests.handler.runs import MODULE, SPEC


def spec_with(*callbacks):
    training = {"epochs": 2, "batch_size": 64, "callbacks": list(callbacks)}
    return parse_spec(SPEC | {"training": training, "freeze_training": None})


def test_a_run_notes_once_that_a_callback_has_no_state(tmp_path):
    class Hears(Observer):
        notes = []

        def on_message(self, text):
            self.notes.append(text)

    (tmp_path / "mine.py").write_text(
        MODULE + "\n\nclass Counts(keras.callbacks.Callback):\n    pass\n\n\ndef make():\n    return Counts()\n"
    )
    spec = spec_with("TerminateOnNaN", {"name": "mine:Counts"}, {"name": "mine:make"})
    run = TrainingRun(RunInputs(spec=spec, folder=str(tmp_path), store=str(tmp_path / "store"), name="mine"))
    run.observers.append(Hears())
    plan = run.plan()
    assert plan.warnings == []
    run.begin(plan)
    run.train_segment(0)
    assert Hears.notes == [
        f"training.callbacks[{index}]: {name} has no get_state and set_state, so a resumed run loses its state; add both "
        "methods, unless it keeps no state"
        for index, name in ((1, "mine:Counts"), (2, "mine:make"))
    ]
    assert run.store.runs.read("mine").notes == Hears.notes


def test_the_plan_refuses_a_callback_whose_package_is_missing(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    spec = spec_with("TerminateOnNaN", "TensorBoard")
    check_packages(spec.training.callbacks)
    missing = dataclasses.replace(RULES["TensorBoard"], package="a_package_that_isnt_there")
    monkeypatch.setitem(RULES, "TensorBoard", missing)
    run = TrainingRun(RunInputs(spec=spec, folder=str(tmp_path), store=str(tmp_path / "store"), name="mine"))
    with pytest.raises(SpecError, match=r"training.callbacks\[1\].name: TensorBoard needs the package .* pip install"):
        run.plan()
