"""Batches distributed over two devices: bit-identical to Keras's own `fit`, with masks and resumption.

The trainings run in separate processes, since a process keeps the devices with which it started.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from handler.store.store import Store
from tests.handler.runs import MODULE, SPEC

ROOT = Path(__file__).parents[3]
MIRRORED = {
    **SPEC,
    "training": {**SPEC["training"], "threads": 1, "snapshot": {"steps": 2}, "strategy": {"name": "mirrored", "devices": 2}},
}


def in_a_process(code, folder):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=folder, capture_output=True, text=True, check=False, timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def trained(folder, store, kill_at=None, spec=MIRRORED):
    """Train in a process, which may kill itself, and return the completed process."""
    (folder / "mine.py").write_text(MODULE)
    return in_a_process(f"""
        import json, os, signal
        from handler.observer import Observer
        from handler.run import RunInputs, TrainingRun
        from handler.spec import parse_spec
        from tests.faults import stages
        class Kill(Observer):
            def on_step(self, epoch, step, steps, logs):
                if (epoch, step) == {kill_at!r}:
                    os.kill(os.getpid(), signal.SIGKILL)
        run = TrainingRun(RunInputs(spec=parse_spec({spec!r}), folder=".", store={store!r}, name="mine"))
        run.observers.append(Kill())
        record = stages.train(run)
        print(json.dumps({{"sources": [s.source for s in record.segments], "epochs": sum(s.trained_epochs for s in record.segments)}}))
    """, folder)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    done = trained(folder, "store")
    assert done.returncode == 0, done.stderr
    return Store(folder / "store")


def end_of(store):
    record = store.runs.read("mine")
    return record, store.states.read(record.state)


@pytest.mark.service
def test_a_mirrored_training_is_bit_identical_to_keras_fit(tmp_path):
    done = in_a_process("""
        import json
        from handler.backend import tensorflow_setup
        from handler.spec.device_strategy import DeviceStrategy
        mirrored = DeviceStrategy(name="mirrored", devices=2)
        tensorflow_setup.prepare(1, strategy=mirrored)
        import keras, numpy as np, tensorflow as tf
        from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
        from handler.backend.devices import scope
        from handler.state.keras_state import to_array
        x = np.random.default_rng(3).normal(size=(90, 6)).astype("float32")  # five whole batches, and one of ten
        y = x[:, :3].argmax(axis=1).astype("int64")
        def build():
            keras.backend.clear_session(free_memory=False)
            keras.utils.set_random_seed(5)
            with scope(mirrored):
                given = keras.Input((6,))
                h = keras.layers.BatchNormalization()(keras.layers.Dense(8, activation="relu")(given))
                h = keras.layers.Dropout(0.3, seed=3)(h)
                model = keras.Model(given, keras.layers.Dense(3, activation="softmax")(h))
                model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
            return model
        ours, theirs = build(), build()
        before = [to_array(v) for v in theirs.variables]
        mh = DLModelHandler(KerasArchitecture(ours), training_epochs=3, batch_size=16, seed=2)
        history = DLTrainingHandler()(mh, x, y, []).history
        order, given = mh.build_sequencer(x, y), {}
        for epoch in range(3):
            order.set_epoch(epoch)
            rows = np.asarray(order.order)
            batches = tf.data.Dataset.from_tensor_slices((x[rows], y[rows])).batch(16)
            for name, values in theirs.fit(batches, epochs=1, verbose=0, shuffle=False).history.items():
                given.setdefault(name, []).extend(values)
        pairs = zip(ours.variables + ours.optimizer.variables, theirs.variables + theirs.optimizer.variables)
        print(json.dumps({
            "different": [a.path for a, b in pairs if to_array(a).tobytes() != to_array(b).tobytes()],
            "moved": sum(to_array(v).tobytes() != was.tobytes() for v, was in zip(theirs.variables, before)),
            "history": history == given,
        }))
    """, tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"different": [], "moved": 9, "history": True}


@pytest.mark.service
@pytest.mark.parametrize("kill_at", [(1, 5), (4, 6)], ids=str)
def test_a_killed_mirrored_training_resumes_bit_identically(kill_at, whole, tmp_path):
    assert trained(tmp_path, "store", kill_at).returncode == -signal.SIGKILL
    done = trained(tmp_path, "store")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["sources"].count("resumed") == 1
    (record, state), (expected, end) = end_of(Store(tmp_path / "store")), end_of(whole)
    assert (record.weights, record.history, record.chain) == (expected.weights, expected.history, expected.chain)
    assert list(state.arrays) == list(end.arrays)
    moving = [name for name in end.arrays if "moving_mean" in name]
    assert len(moving) == 2
    assert not np.array_equal(*(end.arrays[name] for name in moving)), "each device has statistics of its own"
    assert all(state.arrays[name].tobytes() == end.arrays[name].tobytes() for name in end.arrays)


@pytest.mark.service
def test_frozen_weights_of_a_mirrored_training_stay_bit_identical(whole):
    record = whole.runs.read("mine")
    for segment in record.segments[1:4]:
        before, after = (whole.states.read(record.chain[epoch]).arrays for epoch in (segment.start, segment.end))
        weights = [name for name in before if name.startswith("model/")]
        frozen = [name for name in weights if any(f" {layer}/" in name for layer in segment.frozen)]
        assert len(frozen) >= 2
        assert [name for name in frozen if not np.array_equal(before[name], after[name])] == []
        assert [name for name in weights if not np.array_equal(before[name], after[name])] != []


@pytest.mark.service
def test_a_training_on_one_device_has_another_key_and_other_weights(whole, tmp_path):
    record = whole.runs.read("mine")
    assert trained(tmp_path, "alone", spec={**SPEC, "training": {**MIRRORED["training"], "strategy": None}}).returncode == 0
    alone = Store(tmp_path / "alone").runs.read("mine")
    assert alone.key != record.key
    assert alone.weights != record.weights
    assert len(alone.history["loss"]) == len(record.history["loss"])
    assert np.allclose(alone.history["loss"], record.history["loss"], rtol=0.2), "the trainings are close"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 199}, "training.batch_size: the last batch of an epoch has 1 of 200 examples, fewer than the 2 devices"),
        ({"strategy": "mirrored"}, "training.strategy: mirrored needs two GPUs, this machine has 0; `devices: 2` splits the CPU into two devices"),
    ],
    ids=str,
)  # fmt: skip
def test_a_training_that_cannot_be_distributed_is_refused(changes, said, tmp_path):
    done = trained(tmp_path, "store", spec={**MIRRORED, "training": {**MIRRORED["training"], **changes}})
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]


def test_a_process_that_started_with_one_device_is_refused(tmp_path):
    done = in_a_process("""
        import tensorflow as tf
        tf.ones(1)
        from handler.backend import tensorflow_setup
        from handler.spec.device_strategy import DeviceStrategy
        tensorflow_setup.prepare(tf.config.threading.get_intra_op_parallelism_threads() or 2, strategy=DeviceStrategy(name="mirrored", devices=2))
    """, tmp_path)  # fmt: skip
    assert "training.strategy: 2 devices are requested, but TensorFlow already runs with one in this process" in done.stderr
