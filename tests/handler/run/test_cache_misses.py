"""`plan --why`: the first field that prevents a segment from being cached, with its stored and its present value."""

import json
import re
import shutil

import numpy as np
import pytest

from handler.backend import tensorflow_setup
from handler.fingerprint import environment
from handler.run.cache_misses import explain_cache_misses
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.store import atomic_dirs
from handler.store.store import Store

MODULE = '''
import keras
import numpy as np
from keras import layers as L
from widths import WIDTH


def data(n=40):
    r = np.random.default_rng(5)
    x = r.normal(size=(n, 6)).astype("float32")
    return x, x[:, :3].argmax(axis=1).astype("int64")


def network():
    i = keras.Input((6,))
    x = L.Dense(WIDTH, activation="relu", name="second")(L.Dense(8, activation="relu", name="first")(i))
    return keras.Model(i, L.Dense(3, activation="softmax", name="head")(x))
'''
SPEC = {
    "name": "mine",
    "seed": 4,
    "data": {"source": "mine:data"},
    "model": {"architecture": "mine:network", "compile": {"optimizer": {"name": "adam", "learning_rate": 0.01}}},
    "training": {
        "epochs": 6,
        "batch_size": 20,
        "callbacks": [{"name": "ReduceLROnPlateau", "monitor": "loss", "patience": 3}],
    },
    "freeze_training": [
        {"training_interval": [1, 3], "layers": ["first", "second"]},
        {"training_interval": [3, 5], "layers": ["first", "head"], "strategy": "fixed", "initial_learning_rate": 0.02},
    ],
}


def changed(**changes):
    """Return the specification with values changed by path (`__` separates the parts)."""
    spec = json.loads(json.dumps(SPEC))
    for path, value in changes.items():
        *parents, key = [int(part) if part.isdigit() else part for part in path.split("__")]
        inner = spec
        for part in parents:
            inner = inner[part]
        inner[key] = value
    return spec


def run_of(folder, spec, name="mine"):
    return TrainingRun(RunInputs(spec=parse_spec(spec), folder=str(folder), store=str(folder / "store"), name=name))


def train(folder, spec, name="mine", segments=None):
    """Train a specification as the flow does; with `segments` only this many, as in a run that is killed afterwards."""
    run = run_of(folder, spec, name)
    plan = run.plan()
    run.begin(plan)
    for segment in plan.segments[:segments]:
        run.train_segment(segment.index)
    if segments is None:
        run.post_fit()
        run.report()
        run.mark_completed()
    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder whose store has the complete training of the specification, and a shorter one from a file."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "mine.py").write_text(MODULE)
    (folder / "widths.py").write_text("WIDTH = 8\n")
    x = np.random.default_rng(1).normal(size=(40, 6)).astype("float32")
    np.savez(folder / "points.npz", X=x, y=x[:, :3].argmax(axis=1))
    train(folder, SPEC)
    train(folder, changed(data={"source": "points.npz"}, training={"epochs": 1, "batch_size": 20}, freeze_training=None), "filed")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """Return a private copy of that folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def why(folder, spec=SPEC, name="mine"):
    planning = run_of(folder, spec, name).planning
    return explain_cache_misses(planning, planning.plan())


def test_a_complete_training_has_no_reasons(made):
    assert why(made) == []


@pytest.mark.parametrize(
    ("change", "field", "stored", "now"),
    [
        ({"seed": 5}, "seed", 4, 5),
        ({"training__batch_size": 10}, "training.batch_size", 20, 10),
        ({"data__args": {"n": 50}}, "data.args.n", "(not there)", 50),
        ({"data__version": 2}, "data.version", None, 2),
        ({"model__compile__optimizer__learning_rate": 0.02}, "model.compile.optimizer.learning_rate", 0.01, 0.02),
        ({"model__compile__loss": "mse"}, "model.compile.loss", "sparse_categorical_crossentropy", "mse"),
        ({"training__callbacks__0__patience": 2}, "training.callbacks[0].patience", 3, 2),
        ({"training__callbacks": []}, "training.callbacks[0]", {"name": "ReduceLROnPlateau", "monitor": "loss", "patience": 3}, "(not there)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_field_is_named(change, field, stored, now, made):
    (reason,) = why(made, changed(**change))
    assert (reason.segment, reason.field, reason.stored, reason.found, reason.run) == (0, field, stored, now, "mine")
    assert reason.text.startswith(f"{field}: was ")
    assert reason.text.endswith("(compared with run 'mine')")


def test_the_reason_lists_the_values_and_other_differences(made):
    (reason,) = why(made, changed(model__compile__optimizer__learning_rate=0.02, seed=5, training__batch_size=10), "new")
    assert reason.text == (
        "seed: was 4, is 5 (compared with run 'mine'); training.batch_size, model.compile.optimizer.learning_rate differ too"
    )


def test_changed_code_is_named_by_file_and_function(folder):
    (folder / "mine.py").write_text(MODULE.replace('"relu", name="second"', '"gelu", name="second"').replace("import numpy", "import json\nimport numpy"))
    (reason,) = why(folder)
    assert (reason.field, reason.run) == ("data.source.code", "mine")
    assert re.fullmatch(
        r"data\.source\.code: mine\.py changed: its imports \(was \w{8}, is \w{8}\), network \(was \w{8}, is \w{8}\) "
        r"\(compared with run 'mine'\); model\.architecture\.code differs too",
        reason.text,
    )
    assert reason.stored != reason.found
    (folder / "mine.py").write_text(MODULE + "\n\ndef more():\n    return 1\n")
    assert "mine.py changed: more (new) (compared" in why(folder)[0].text


def test_a_changed_imported_module_is_named(folder):
    (folder / "widths.py").write_text("WIDTH = 9\n")
    assert re.search(r"code: widths\.py changed: WIDTH \(was \w{8}, is \w{8}\)", why(folder)[0].text)
    (folder / "widths.py").unlink()
    (folder / "mine.py").write_text(MODULE.replace("from widths import WIDTH", "WIDTH = 8"))
    assert "mine.py changed: " in (text := why(folder)[0].text)
    assert "; widths.py is no longer used" in text


def test_a_changed_file_is_named_with_both_digests(folder):
    x = np.zeros((40, 6), "float32")
    np.savez(folder / "other.npz", X=x, y=np.zeros(40, "int64"))
    spec = changed(data={"source": "other.npz"}, training={"epochs": 1, "batch_size": 20}, freeze_training=None)
    (reason,) = why(folder, spec, "filed")
    assert reason.field == "data.source.content[0]"
    assert reason.text == (
        f"data.source.content[0]: was points.npz (content {reason.stored}), "
        f"is other.npz (content {reason.found}) (compared with run 'filed')"
    )


def test_the_run_of_the_same_name_or_the_most_similar_is_compared(folder):
    near = changed(seed=9, training__batch_size=10)
    train(folder, near, "near", segments=1)
    asked = changed(seed=9, training__batch_size=10, data__version=1)
    assert [(r.run, r.field) for r in why(folder, asked, "mine")] == [("mine", "seed")]
    assert [(r.run, r.field) for r in why(folder, asked, "new")] == [("near", "data.version")]


def test_a_store_without_a_similar_training_is_reported(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    for file in folder.glob("*.py"):
        shutil.copy(file, empty)
    (reason,) = why(empty)
    assert (reason.field, reason.run, reason.text) == (None, None, "the store has no training yet")
    assert Store(empty / "store").runs.names() == [], "asking creates no run"
    cloud = {"name": "x", "data": {"source": "synthetic"}, "model": {"architecture": "pointnet"}, "training": {"epochs": 1}}
    (reason,) = why(folder, cloud, "new")
    assert (reason.segment, reason.field, reason.run) == (0, None, None)
    assert reason.text == "no training in this store is similar"


# The same first key


def test_a_changed_mask_is_named_with_its_layers(made):
    entries = [SPEC["freeze_training"][0], {**SPEC["freeze_training"][1], "layers": ["head"]}]
    (reason,) = why(made, changed(freeze_training=entries))
    assert (reason.segment, reason.field, reason.run) == (2, "epochs[3].frozen", "mine")
    assert (reason.stored, reason.found) == (["first", "head"], ["head"])
    assert reason.text == "epochs[3].frozen: was first, head in run 'mine', is head"


def test_a_changed_rate_is_named_with_later_differences(made):
    entries = [
        SPEC["freeze_training"][0],
        {**SPEC["freeze_training"][1], "initial_learning_rate": 0.03},
        {"training_interval": [5, 6], "layers": ["head"]},
    ]
    reasons = why(made, changed(freeze_training=entries), "new")
    assert [(r.segment, r.field, r.stored, r.found) for r in reasons] == [
        (2, "epochs[3].learning_rate", 0.02, 0.03),
        (3, "epochs[5].frozen", [], ["head"]),
    ]
    assert [r.text for r in reasons] == [
        "epochs[3].learning_rate: was 0.02 in run 'mine', is 0.03",
        "epochs[5].frozen: was none in run 'mine', is head",
    ]


def test_additional_epochs_are_reported_as_untrained(made):
    (reason,) = why(made, changed(training__epochs=9))
    assert (reason.segment, reason.field, reason.stored, reason.found, reason.run) == (3, "epochs", 6, 9, "mine")
    assert reason.text == "not trained yet: run 'mine' reached epoch 6 of 6"


@pytest.mark.parametrize(("status", "how"), [("running", "was killed"), ("interrupted", "was interrupted"), ("failed", "failed")])
def test_an_unfinished_run_is_named_with_its_last_epoch(status, how, folder):
    run = train(folder, changed(seed=9), "half", segments=2)
    runs = Store(folder / "store").runs
    runs.write(runs.read("half").model_copy(update={"status": status, "epochs": 1}))  # as in a record written before the last state
    (reason,) = why(folder, changed(seed=9), "half")
    assert (reason.segment, reason.field, reason.stored, reason.found, reason.run) == (2, "epochs", 3, 5, "half")
    assert reason.text == f"not trained yet: run 'half' reached epoch 3 of 6 and {how}"
    with run.lock():
        assert why(folder, changed(seed=9), "half")[0].text.endswith("and is running")


def test_states_without_a_run_are_reported(folder):
    shutil.rmtree(folder / "store" / "runs" / "mine")
    (reason,) = why(folder, changed(training__epochs=9))
    assert reason.text == "not trained yet: the store has states up to epoch 6, and no run has trained further"


def test_a_missing_state_is_reported(folder):
    store = Store(folder / "store")
    chain = store.runs.read("mine").chain
    shutil.rmtree(store.states.folder(chain[6]))
    (reason,) = why(folder)
    assert (reason.segment, reason.field, reason.stored, reason.found) == (3, "state", [0, 1, 3, 5], 6)
    assert reason.text == (
        "run 'mine' was trained up to epoch 6, but its state there is no longer in the store; it has states after epoch 0, 1, 3, 5"
    )
    shorter = changed(training__epochs=4, freeze_training=[SPEC["freeze_training"][0], {**SPEC["freeze_training"][1], "training_interval": [3, 4]}])
    (reason,) = why(folder, shorter)
    assert "epoch 4, but its state there was not stored: it is not the end of one of its segments" in reason.text


def test_a_damaged_state_is_reported_with_its_file(folder):
    store = Store(folder / "store")
    key = store.runs.read("mine").chain[6]
    chunk = next(p for p in (store.states.folder(key) / "variables.zarr").rglob("*") if p.is_file() and "c" in p.parts)
    whole = chunk.stat().st_size
    chunk.write_bytes(chunk.read_bytes()[:-3])
    (reason,) = why(folder)
    shown = chunk.relative_to(store.root)
    assert (reason.segment, reason.field, reason.found, reason.run) == (3, "state", None, None)
    assert reason.stored.startswith(f"{shown} has {whole - 3} bytes")
    assert reason.text == f"the state after epoch 6 is damaged: {reason.stored}"
    store.states.quarantine(key)
    (reason,) = why(folder)
    assert re.fullmatch(rf"the state after epoch 6 was damaged and quarantined as states/\.damaged-\w+-{key}", reason.text)


# Environment


def test_an_environment_that_would_be_refused_is_reported(folder):
    store = Store(folder / "store")
    key = store.runs.read("mine").chain[6]
    present = store.states.manifest(key)["environment"]
    atomic_dirs.update_manifest(store.states.folder(key), environment={**present, "keras": "3.14.0", "libc": "glibc 2.17"})
    assert why(folder) == [], "a complete run is answered from the store"
    missing, *reasons = why(folder, changed(training__epochs=7))
    assert (missing.segment, missing.field) == (3, "epochs")
    assert [(r.segment, r.field, r.stored, r.found, r.run) for r in reasons] == [
        (3, "environment.keras", "3.14.0", environment.current_environment()["keras"], None),
        (3, "environment.libc", "glibc 2.17", environment.current_environment()["libc"], None),
    ]
    assert reasons[0].text == (
        f"environment.keras: the state after epoch 6 was made with '3.14.0', a training now has "
        f"{environment.current_environment()['keras']!r}; it is refused without --allow-environment-change"
    )
    assert [(r.segment, r.field) for r in why(folder, name="new")] == [(None, "environment.keras"), (None, "environment.libc")]


def test_only_declared_threads_are_compared(folder):
    threads = tensorflow_setup.thread_count()
    reasons = why(folder, changed(training__epochs=7, training__threads=threads + 1))
    assert [(r.field, r.stored, r.found) for r in reasons[1:]] == [("environment.threads", threads, threads + 1)]
    assert len(why(folder, changed(training__epochs=7))) == 1
