"""A training started in one environment and resumed in another, each in its own process: refused, or allowed and noted.

The settings here change the bits (see docs/decisions/0024-environment-fields-by-experiment.md), so resuming without notice would be wrong.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handler.fingerprint import environment

pytestmark = pytest.mark.service
ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
from handler.backend import tensorflow_setup
threads, deterministic, epochs, allowed, code = json.loads(sys.argv[1])
tensorflow_setup.prepare(threads, deterministic=deterministic)
import keras, numpy as np, tensorflow as tf
exec(code)
from handler import DLModelHandler, DLTrainingHandler, KerasArchitecture
from handler.errors import EnvironmentMismatch
from handler.state.keras_state import weights_digest
from handler.observer import Observer

class Watch(Observer):
    def __init__(self):
        self.epochs, self.notes = [], []
    def on_epoch(self, epoch, logs, seconds):
        self.epochs.append(epoch)
    def on_message(self, text):
        self.notes.append(text)

x = np.random.default_rng(1).normal(size=(96, 12, 12, 3)).astype("float32")
y = (x[:, 3:9, 3:9].mean(axis=(1, 2)).argmax(axis=1)).astype("int64")
keras.utils.set_random_seed(1)
inputs = keras.Input((12, 12, 3))
z = keras.layers.Conv2D(24, 3, activation="relu")(inputs)
z = keras.layers.Conv2D(130, 3, activation="relu")(z)
z = keras.layers.GlobalAveragePooling2D()(z)
model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(z))
watch = Watch()
mh = DLModelHandler(KerasArchitecture(model), training_epochs=epochs, batch_size=32)
handler = DLTrainingHandler(store="store", observers=[watch], allow_environment_change=allowed)
try:
    handler(mh, x, y, [])
    print(json.dumps([watch.epochs, watch.notes, weights_digest(model)]))
except EnvironmentMismatch as error:
    print(json.dumps([watch.epochs, [str(error)], None]))
"""


def trains(folder, *, threads=2, deterministic=True, epochs=3, allowed=False, code="", **variables):
    """Train in a separate process; return the trained epochs, the notes or the error, and the weights' digest."""
    names = {"TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "TF_XLA_FLAGS", "ONEDNN_MAX_CPU_ISA"} - variables.keys()
    given = {name: value for name, value in os.environ.items() if name not in names} | {"PYTHONPATH": str(ROOT)}
    request = json.dumps([threads, deterministic, epochs, allowed, code])
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, request], cwd=folder, env=given | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Return a folder with the states of two epochs."""
    folder = tmp_path_factory.mktemp("begun")
    assert trains(folder, epochs=2)[0] == [0, 1]
    return folder


@pytest.mark.parametrize(
    ("other", "field", "was", "now"),
    [
        ({"threads": 1}, "threads", "2", "1"),
        ({"deterministic": False}, "deterministic", "True", "False"),
        ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "onednn", "True", "False"),
        ({"TF_ENABLE_ONEDNN_OPTS": "false"}, "onednn", "True", "False"),
        ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, "settings.ONEDNN_MAX_CPU_ISA", "None", "'SSE41'"),
        ({"TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}, "settings.TF_XLA_FLAGS", "None", "'--tf_xla_auto_jit=2'"),
        ({"code": "tf.config.optimizer.set_experimental_options({'remapping': False})"}, "graph_options.remapping", "None", "False"),
        ({"code": "keras.config.set_epsilon(0.001)"}, "epsilon", "1e-07", "0.001"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_state_of_another_environment_is_refused(other, field, was, now, begun):
    epochs, (said,), weights = trains(begun, **other)
    assert (epochs, weights) == ([], None)
    assert re.match(re.escape(f"environment.{field}: the state was made with {was}, this process has {now}; "), said)


def test_another_environment_resumes_only_if_it_is_allowed(begun, tmp_path_factory):
    assert trains(begun)[:2] == [[2], []]
    whole = tmp_path_factory.mktemp("whole")
    epochs, notes, weights = trains(whole, epochs=4, threads=1)
    assert (epochs, notes) == ([0, 1, 2, 3], [])
    epochs, notes, mixed = trains(begun, epochs=4, threads=1, allowed=True)
    assert epochs == [3]
    assert notes == [
        "environment.threads changed from 2 to 1 at epoch 3; the change was allowed, "
        "the result may not be bit-identical to that of an uninterrupted run"
    ]
    assert mixed != weights, "which is why it has to be allowed"


@pytest.mark.parametrize(("value", "onednn"), [("0", False), ("false", False), ("FALSE", False), ("1", True)])
def test_the_onednn_setting_is_parsed_like_in_tensorflow(value, onednn, monkeypatch):
    import sys

    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    for module in ("tensorflow", "keras"):  # as before they are imported
        monkeypatch.delitem(sys.modules, module)
    assert environment.expected_environment(threads=1)["onednn"] is onednn


def test_xla_flags_for_dumps_are_not_recorded(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=somewhere  --xla_cpu_enable_fast_math=true")
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    assert environment.expected_environment(threads=1)["settings"] == {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
