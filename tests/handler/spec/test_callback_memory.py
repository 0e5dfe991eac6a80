"""Detection, from the code alone and without importing it, of callbacks that lose their state."""

import json
import subprocess
import sys
import textwrap

import pytest

from handler.errors import SpecError
from handler.spec import callbacks
from handler.spec.callback_memory import remembers, warnings
from handler.spec.reader import parse_spec
from tests.handler.runs import MODULE, SPEC

OWN = """
import keras
import base as b
import gone
from keras import callbacks
from keras.callbacks import Callback, EarlyStopping
from base import Half, Plain as Simple

raise RuntimeError("imported")

class A(keras.callbacks.Callback): pass
class B(Callback):
    def get_state(self): pass
    def set_state(self, state): pass
class C(EarlyStopping): pass
class D(callbacks.TensorBoard): pass
class E(b.Plain): pass
class F(Simple): pass
class G(A): pass
class H(B): pass
class I(b.Half):
    def set_state(self, state): pass
class J(Half): pass
class K(gone.Callback): pass
class L(gone.Other): pass
class M(keras.callbacks.ModelCheckpoint, A): pass
if True:
    class N(Simple): pass
class EarlyStopping(EarlyStopping): pass
def make(): return A()
"""
BASE = """
import keras
class Plain(keras.callbacks.Callback): pass
class Half(Plain):
    def get_state(self): pass
"""
TOLD = {
    True: ["B", "C", "D", "H", "I", "M", "EarlyStopping"],  # has both methods, or derives from a Keras callback
    False: ["A", "E", "F", "G", "J", "K", "N"],
    None: ["L", "make"],  # not determined by the code
}


@pytest.mark.parametrize(("name", "told"), [(name, told) for told, names in TOLD.items() for name in names])
def test_a_callbacks_state_methods_are_detected_from_its_code(tmp_path, name, told):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "base.py").write_text(BASE)
    assert remembers(f"own:{name}", tmp_path) is told


def test_plan_and_training_warn_once_of_a_callback_without_state(tmp_path):
    from handler.observer import Observer
    from handler.run.inputs import RunInputs
    from handler.run.training_run import TrainingRun

    (tmp_path / "mine.py").write_text(
        MODULE + "\n\nclass Counts(keras.callbacks.Callback):\n    pass\n\n\ndef make():\n    return Counts()\n"
    )
    spec = SPEC | {"training": {"epochs": 2, "batch_size": 64, "callbacks": ["TerminateOnNaN", {"name": "mine:Counts"}, {"name": "mine:make"}]}, "freeze_training": None}  # fmt: skip

    def sentence(index, name):
        return (
            f"training.callbacks[{index}]: {name} has no get_state and set_state, so what it remembers is lost when a run "
            "goes on; give it both, unless it remembers nothing"
        )

    class Hears(Observer):
        notes = []

        def on_note(self, text):
            self.notes.append(text)

    inputs = {"folder": str(tmp_path), "store": str(tmp_path / "store"), "name": "mine"}
    run = TrainingRun(RunInputs(spec=parse_spec(spec), **inputs))
    run.observers.append(Hears())
    plan = run.plan()
    assert plan.warnings == [sentence(1, "mine:Counts")]
    run.begin(plan)
    assert Hears.notes == plan.warnings
    run.train_segment(0)
    # The second note needs the object, so it appears in training; no note is repeated.
    assert Hears.notes == [sentence(1, "mine:Counts"), sentence(2, "mine:make")]
    assert run.store.runs.read("mine").notes == Hears.notes
    code = f"""
        import json, sys
        from handler.run import RunInputs, TrainingRun
        from handler.spec import parse_spec
        plan = TrainingRun(RunInputs(spec=parse_spec({spec!r}), **{inputs!r})).plan()
        print(json.dumps([plan.warnings, "tensorflow" in sys.modules or "keras" in sys.modules]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == [plan.warnings, False]


def test_callbacks_with_a_saved_state_cause_no_warning(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "base.py").write_text(BASE)
    named = ["EarlyStopping", "CSVLogger", *(f"own:{name}" for name in TOLD[True])]
    given = [{"name": name, **({"filename": "log.csv"} if name == "CSVLogger" else {})} for name in named]
    spec = parse_spec(SPEC | {"training": {"epochs": 6, "callbacks": [{"monitor": "loss", **given[0]}, *given[1:]]}})
    assert warnings(spec.training.callbacks, tmp_path) == []


def test_the_plan_refuses_a_callback_whose_package_is_missing(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    spec = parse_spec(SPEC | {"training": {"epochs": 6, "callbacks": ["TerminateOnNaN", "TensorBoard"]}})
    callbacks.check_packages(spec.training.callbacks)
    monkeypatch.setitem(callbacks._NEEDS_PACKAGE, "TensorBoard", "a_package_that_isnt_there")
    from handler.run.inputs import RunInputs
    from handler.run.training_run import TrainingRun

    run = TrainingRun(RunInputs(spec=spec, folder=str(tmp_path), store=str(tmp_path / "store"), name="mine"))
    with pytest.raises(SpecError, match=r"training.callbacks\[1\].name: TensorBoard needs the package .* pip install"):
        run.plan()
