"""Mismatches are refused with the field, the stored and the current value; allowed ones are noted."""

import re
import shutil

import numpy as np
import pytest

from handler.errors import EnvironmentMismatch, MismatchError
from handler.fingerprint import environment
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.store import atomic_dirs
from handler.store.store import Store
from tests.handler.conftest import Epochs

MODULE = '''
import os

import keras
import numpy as np
from keras import layers as L


def data():
    r = np.random.default_rng(5)
    x = r.normal(size=(64, 6)).astype("float32")
    return x, x[:, :3].argmax(axis=1).astype("int64")


def held_out():
    v = np.load(__file__.replace("mine.py", "v.npy"))
    return (*data(), v, v[:, :3].argmax(axis=1).astype("int64"))


def network():
    i = keras.Input((6,))
    x = L.Dropout(0.2, name="drop")(L.Dense(8, activation="relu", name="first")(i))
    return keras.Model(i, L.Dense(3, activation="softmax", name="head")(x))


def wild():
    model = network()
    head = model.get_layer("head")
    rng = np.random.default_rng(int.from_bytes(os.urandom(8), 'little'))
    head.set_weights([rng.normal(size=w.shape) for w in head.get_weights()])
    return model
'''
SPEC = {
    "name": "mine",
    "data": {"source": "mine:data"},
    "model": {"architecture": "mine:network"},
    "training": {"epochs": 2, "batch_size": 32},
}
LONGER = {"training": {"epochs": 3, "batch_size": 32}}


def opened(folder, changes=None, name="mine", **inputs):
    """Return a run of the specification, with changes, in the folder's store, observed by its `.watch`."""
    spec = parse_spec({**SPEC, **(changes or {})})
    run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name=name, **inputs))
    run.watch = Epochs()
    run.observers.append(run.watch)
    return run


def trained(run):
    """Run all stages of a run, as the flow does, and return its record."""
    plan = run.plan()
    run.begin(plan)
    for segment in plan.segments:
        run.train_segment(segment.index)
    run.post_fit()
    run.report()
    return run.mark_completed()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder whose store has a training of two epochs, and a run that would resume it for a third."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "mine.py").write_text(MODULE)
    trained(opened(folder))
    run = opened(folder, LONGER, name="longer")
    run.begin(run.plan())
    return folder, run


@pytest.fixture
def folder(made, tmp_path):
    """Return a private copy of that folder."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def amended(made):
    """Return a function that changes the manifest of the state after two epochs; restore the manifest at the end."""
    run = made[1]
    state = run.store.states.folder(run.planning.chain.keys[2])
    before = (state / atomic_dirs.MANIFEST).read_bytes()

    def amend(**changes):
        atomic_dirs.update_manifest(state, **changes)

    yield amend
    (state / atomic_dirs.MANIFEST).write_bytes(before)


def end_state(run):
    return run.store.states.manifest(run.planning.chain.keys[2])


def amend_end(run, **changes):
    """Change the recorded environment of the state after two epochs."""
    manifest = end_state(run)
    atomic_dirs.update_manifest(run.store.states.folder(manifest["key"]), environment={**manifest["environment"], **changes})


# Environment: compared fields

OTHER = {
    "tensorflow": "2.20.0",
    "keras": "3.14.0",
    "numpy": "2.0.0",
    "platform": "linux-aarch64",
    "cpu": ["sse4_2"],
    "caches": ["L1 16K", "L2 256K"],
    "libc": "glibc 2.17",
    "threads": 97,
    "deterministic": False,
    "onednn": "neither",
    "jit": True,
    "eager": True,
    "graph_options": {"remapping": False},
    "settings": {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"},
    "devices": ["CPU", "GPU"],
    "floatx": "float64",
    "epsilon": 0.001,
    "image_data_format": "channels_first",
    "dtype_policy": "mixed_bfloat16",
}


def test_every_environment_field_but_python_is_compared(made):
    run = made[1]
    assert set(end_state(run)["environment"]) == {*OTHER, "python"}
    assert set(environment.current_environment(run.live.mh.compiled)) == {*OTHER, "python"}
    assert not list(environment.environment_differences({"python": "3.11.1"}, {"python": "3.13.0"}))


@pytest.mark.parametrize(("field", "value"), OTHER.items())
def test_a_changed_environment_field_is_refused_with_both_values(field, value, made, amended):
    run = made[1]
    here = end_state(run)["environment"]
    amended(environment={**here, field: value})
    was, now = value, here[field]
    if isinstance(value, dict):
        assert here[field] == {}
        ((inner, was),), now = value.items(), None
        field = f"{field}.{inner}"
    remedy = f"set training.threads to {was}" if field == "threads" else "restore it"
    said = f"environment.{field}: the state was made with {was!r}, this process has {now!r}; {remedy}, or resume "
    with pytest.raises(EnvironmentMismatch, match=re.escape(said + "with --allow-environment-change")):
        run.train_segment(0)
    assert run.watch.epochs == []


def test_fields_that_an_older_state_lacks_are_not_compared(folder):
    run = opened(folder, LONGER, name="longer")
    first = {"tensorflow", "keras", "numpy", "platform", "cpu", "threads", "deterministic", "onednn", "jit", "devices"}
    kept = {name: value for name, value in end_state(run)["environment"].items() if name in first}
    atomic_dirs.update_manifest(run.store.states.folder(run.planning.chain.keys[2]), environment=kept | {"python": "3.1"})
    trained(run)
    assert (run.watch.epochs, run.watch.notes) == ([2], [])


def test_the_environment_is_predicted_without_tensorflow(made):
    run = made[1]
    present = end_state(run)["environment"]
    foreseen = environment.expected_environment(run.planning.threads)
    assert foreseen.items() <= present.items()
    assert present.keys() - foreseen.keys() <= {"jit", "eager", "graph_options", "floatx", "epsilon", "image_data_format", "dtype_policy", "onednn", "devices"}


# Environment: allowed changes are noted


def test_an_allowed_change_is_noted_in_every_run_that_shares_it(folder):
    run = opened(folder, LONGER, name="longer", allow_environment_change=True)
    amend_end(run, keras="3.14.0", settings={"XLA_FLAGS": "--x"})
    record = trained(run)
    here = end_state(run)["environment"]
    assert run.watch.epochs == [2]
    assert [(c.epoch, c.step, c.field, c.stored, c.found) for c in record.environment_changes] == [
        (2, 0, "environment.keras", "3.14.0", environment.current_environment()["keras"]),
        (2, 0, "environment.settings.XLA_FLAGS", "--x", None),
    ]
    said = f"environment.keras changed from '3.14.0' to {environment.current_environment()['keras']!r} at epoch 2; the change was allowed"
    assert [note.startswith(said) for note in record.notes] == [True, False]
    assert record.notes == run.watch.notes
    page = (folder / "store" / "runs" / "longer" / "report.html").read_text()
    assert all(note.replace("'", "&#39;") in page for note in record.notes)
    assert here["keras"] == "3.14.0", "the state that it resumed from is unchanged"

    other = opened(folder, {"training": {"epochs": 4, "batch_size": 32}}, name="other")
    notes = trained(other)
    assert other.watch.epochs == [3], "it resumed from the states of the other run"
    assert notes.environment_changes == record.environment_changes
    assert notes.notes == record.notes


def test_an_uninterrupted_training_records_no_change(made):
    record = made[1].store.runs.read("mine")
    assert (record.environment_changes, record.resumptions, record.notes) == ([], [], [])


def test_post_fit_refuses_another_environment(folder):
    run = opened(folder, name="again")
    amend_end(run, libc="glibc 2.17")
    plan = run.plan()
    assert all(segment.cached for segment in plan.segments)
    run.begin(plan)
    assert [run.train_segment(segment.index).source for segment in plan.segments] == ["cached"]
    with pytest.raises(EnvironmentMismatch, match=r"environment.libc: the state was made with 'glibc 2.17'"):
        run.post_fit()
    allowed = opened(folder, name="again", allow_environment_change=True)
    record = trained(allowed)
    assert allowed.watch.epochs == []
    assert record.notes == [c.text for c in record.environment_changes]
    assert "environment.libc" in record.notes[0]
    assert record.weights == Store(folder / "store").runs.read("mine").weights


def begun_in_another_keras(folder, **digests):
    """Return a longer run, begun, whose last state was made by another Keras and with other digests."""
    run = opened(folder, LONGER, name="longer")
    amend_end(run, keras="3.14.0")
    manifest = end_state(run)
    atomic_dirs.update_manifest(run.store.states.folder(manifest["key"]), found=manifest["found"] | digests)
    run.begin(run.plan())
    return run


def test_a_changed_keras_is_reported_before_its_initial_values(folder):
    run = begun_in_another_keras(folder, initial="other")
    with pytest.raises(EnvironmentMismatch, match=r"environment.keras"):
        run.train_segment(0)
    assert trained(opened(folder, LONGER, name="longer", allow_environment_change=True)).epochs == 3


# Found data and variables


@pytest.mark.parametrize("name", ["data", "validation", "initial"])
def test_a_state_of_other_data_or_initial_values_is_refused(name, made, amended):
    run = made[1]
    digests = end_state(run)["found"]
    amended(found={**digests, name: "something else"})
    with pytest.raises(MismatchError, match=rf"^{name}: state {run.planning.chain.keys[2]} was trained with something else"):
        run.train_segment(0)


def test_changed_data_is_reported_before_the_environment(folder):
    run = begun_in_another_keras(folder, data="something else")
    with pytest.raises(MismatchError, match=r"^data: "):
        run.train_segment(0)


def test_undeclared_changes_of_validation_data_are_refused(folder):
    def train(epochs):
        values = np.random.default_rng(epochs).normal(size=(16, 6)).astype("float32")
        np.save(folder / "v.npy", values)
        trained(opened(folder, {"data": {"source": "mine:held_out"}, "training": {"epochs": epochs, "batch_size": 32}}, name="held"))

    train(3)
    with pytest.raises(MismatchError, match=r"^validation: state \w+ was trained with X_val float32 \(16, 6\) \w+ and y_val int64 \(16,\) \w+, this training has X_val float32"):
        train(4)


def test_a_network_with_irreproducible_initial_values_is_refused(folder):
    wild = {"model": {"architecture": "mine:wild"}}
    trained(opened(folder, wild, name="wild"))
    run = opened(folder, {**wild, **LONGER}, name="wild")
    run.begin(run.plan())
    with pytest.raises(MismatchError, match=r"^initial: state \w+ was trained with \w+, this training has \w+; the network has other initial weights.*seeded generators"):
        run.train_segment(0)
    assert run.watch.epochs == []
