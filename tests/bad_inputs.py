"""Invalid data and networks, each with the error message that names it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

SPEC: dict[str, Any] = {
    "name": "bad",
    "seed": 1,
    "data": {"source": "jobs:load"},
    "model": {"architecture": "jobs:network", "compile": {"optimizer": "sgd"}},
    "training": {"epochs": 2, "batch_size": 4},
}
MODULE = """
import numpy as np


def load():
    X = np.arange(24, dtype="float32").reshape(8, 3)
    return X, np.arange(8) % 2


def network():
    import keras

    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax", name="head")])
"""


@dataclass(frozen=True)
class BadInput:
    """One way to make the data, the network or the code around them invalid.

    Attributes:
        id: the test's name.
        text: a regular expression for the error message.
        code: appended to the module, so that it may redefine `load` or `network`.
        change: dotted keys of the specification, with their new values.
        fails: True if the user's code fails (exit 1), False if Frostline rejects it (exit 2).
    """

    id: str
    text: str
    code: str = ""
    change: dict[str, Any] = field(default_factory=dict)
    fails: bool = False


def data(name: str, returned: str, said: str) -> BadInput:
    """Return a case whose data function has another body."""
    code = f"""
        def load():
            X = np.arange(24, dtype="float32").reshape(8, 3)
            y = np.arange(8) % 2
            {returned}
    """
    return BadInput(name, said, textwrap.dedent(code))


def network(name: str, returned: str, said: str, *, fails: bool = False) -> BadInput:
    """Return a case whose network function has another body."""
    code = f"""
        def network():
            import keras
            from keras import layers
            {returned}
    """
    return BadInput(name, said, textwrap.dedent(code), fails=fails)


def fails(name: str, body: str, said: str, **change: Any) -> BadInput:
    """Return a case whose code fails when it is called, or when its module is imported."""
    return BadInput(name, said, textwrap.dedent(body), change, fails=True)


CALLBACK = """
    import keras
    class Mine(keras.callbacks.Callback):
        def __init__(self, n=1):
            super().__init__()
            {init}
        def on_train_begin(self, logs=None):
            {begin}
    """

BAD_INPUTS = [
    # Values that a data function returns.
    data("nothing", "return None", "data.source: jobs:load returned NoneType"),
    data("one array", "return X", "data.source: jobs:load returned ndarray"),
    data("three values", "return X, y, y", "data.source: jobs:load returned 3 values"),
    data("five values", "return X, y, X, y, X", "data.source: jobs:load returned 5 values"),
    data("a generator", "yield X, y", "data.source: jobs:load returned generator"),
    data("a mapping", "return {'X': X, 'y': y}", "data.source: jobs:load returned dict"),
    data("other lengths", "return X, y[:7]", "data.source: .*8.*7|data.source: .*7.*8"),
    data("no examples", "return X[:0], y[:0]", "data.source: .*(no examples|0 examples|empty)"),
    data("a number as targets", "return X, 3", "data.source: "),
    data("targets that are missing", "return X, None", "data.source: "),
    data("objects", "return np.array([[object()] * 3] * 8), y", "data.source: .*dtype object"),
    data("text as inputs", "return np.array([['a'] * 3] * 8), y", "data.source: .*<U1"),
    data("text as targets", "return X, np.array(['a'] * 8)", "data.source: .*<U1|data.source: y"),
    data("ragged lists", "return [[1, 2], [3]], y", "data.source: "),
    data("NaN in X", "X[3, 1] = np.nan; return X, y", "data.source: X .*not finite"),
    data("infinite X", "X[0, 0] = np.inf; return X, y", "data.source: X .*not finite"),
    data("NaN in y", "return X, np.full(8, np.nan)", "data.source: y .*not finite"),
    data("examples too wide", "return np.ones((8, 4), 'float32'), y", "data.source: .*4.*3"),
    data("examples of two axes", "return np.ones((8, 3, 1), 'float32'), y", "data.source: .*3, 1.*3"),
    data("two inputs for one", "return [X, X], y", "data.source: .*2 input"),
    data("labels beyond the head", "return X, np.full(8, 2)", "data.source: .*2"),
    data("negative labels", "return X, y - 1", "data.source: .*-1"),
    data("labels that are fractions", "return X, y + 0.5", "data.source: "),
    data("targets for a sparse loss", "return X, np.eye(2)[y]", "(data.source|model.compile.loss): "),
    data("validation of another shape", "return X, y, X[:, :2], y", "data.(source|validation): "),
    data("validation of other lengths", "return X, y, X, y[:3]", "data.(source|validation): "),
    data("validation without targets", "return X, y, X, None", "data.(source|validation): "),
    data("nothing to validate", "return X, y, X[:0], y[:0]", "data.(source|validation): "),
    data("complex numbers", "return X.astype('complex64'), y", "data.source: .*complex64"),
    data("dates", "return X.astype('datetime64[s]'), y", "data.source: .*datetime64"),
    data("records", "return np.zeros(8, [('a', 'f4'), ('b', 'f4')]), y", "data.source: "),
    data("a scalar", "return np.float32(3), y", "data.source: "),
    data("NaN to validate on", "return X, y, X * np.nan, y", "data.validation: X_val .*not finite"),
    data("labels to validate on beyond the head", "return X, y, X, y + 1", "data.validation: y_val has the label 2"),
    data("masked inputs", "return np.ma.masked_less(X, 3), y", "data.source: .*[Mm]asked"),
    data("a mapping of inputs", "return {'a': X}, y", "data.source: "),
    data("a function in place of inputs", "return len, y", "data.source: "),
    data("a set of inputs", "return {1.0, 2.0}, y", "data.source: "),
    data("dates as targets", "return X, y.astype('datetime64[s]')", "data.source: .*datetime64"),
    data("complex targets", "return X, y.astype('complex64')", "data.source: .*complex64"),
    # Values that a network function returns.
    network("no network", "return None", "model.architecture: 'jobs:network' returned NoneType"),
    network("a class", "return keras.Model", "model.architecture: 'jobs:network' returned "),
    network("a layer", "return layers.Dense(2)", "model.architecture: 'jobs:network' returned Dense"),
    network("an empty network", "return keras.Sequential([])", "model"),
    network("no weights", "i = keras.Input((3,)); return keras.Model(i, layers.ReLU()(i))", "(model|training|data)"),
    network("two outputs", "i = keras.Input((3,)); return keras.Model(i, [layers.Dense(2)(i), layers.Dense(2)(i)])", "."),
    network("two inputs", "i = keras.Input((3,)); j = keras.Input((3,)); "
            "return keras.Model([i, j], layers.Dense(2)(layers.Add()([i, j])))", "data.source: "),
    network("a head of one unit", "return keras.Sequential([keras.Input((3,)), layers.Dense(1)])", "."),
    network("a network that takes no such batch", "return keras.Sequential([layers.Conv2D(2, 3), layers.Dense(2)])", "model.architecture: "),
    network("two layers of one path", "i = keras.Input((3,)); m = keras.Sequential([layers.Dense(2)]); return [m, m]", "model.architecture: "),
    network("another input", "return keras.Sequential([keras.Input((5,)), layers.Dense(2)])", "data.source: .*3.*5"),
    # Arguments and objects.
    BadInput("an argument too many", r"data.args.n: unknown argument of jobs:load", change={"data.args": {"n": 1}}),
    BadInput("a class that is none", "there is no class '²'", change={"model.compile.class_weight": {"²": 1.0}}),
    BadInput("an optimizer of arrays", "model.compile.optimizer: jobs:rates gives ndarray; give a Keras optimizer",
             "\ndef rates():\n    return np.ones(3)\n", {"model.compile.optimizer": "jobs:rates"}),
    BadInput("a callback that is none", r"training.callbacks\[0\]: jobs:tell gives NoneType; give a keras.callbacks.Call",
             "\ndef tell():\n    return None\n", {"training.callbacks": ["jobs:tell"]}),
    BadInput("a window longer than all", "gradient_accumulation_steps: must be at most 4, the steps of all epochs, not 9",
             change={"model.compile.optimizer": {"name": "sgd", "gradient_accumulation_steps": 9}}),
    BadInput("files that are gone", r"data.files\[0\]: 'gone' matches no file", change={"data.files": ["gone"]}),
    # Code that fails.
    fails("a data function that fails", "def load(n=2):\n    return np.zeros(-n), 1\n",
          r"data.source: jobs:load\(\) failed: ValueError: negative dimensions"),
    fails("a wrong argument", "def load(n):\n    return np.zeros(n)\n",
          r"data.source: jobs:load\(n='abc'\) failed: TypeError", **{"data.args": {"n": "abc"}}),
    fails("a null argument", "def load(n):\n    return [0] * n\n",
          r"data.source: jobs:load\(n=null\) failed: TypeError", **{"data.args": {"n": None}}),
    fails("a data function that ends the process", "def load():\n    raise SystemExit(0)\n", "jobs:load.* failed: SystemExit: 0"),
    fails("a network that ends the process", "def network():\n    raise SystemExit(0)\n", "jobs:network.* failed: SystemExit"),
    fails("a network that fails", "def network():\n    return {}['units [/x]']\n", r"network\(\) failed: KeyError: 'units \[/x\]'"),
    fails("a module that fails", "raise StopIteration\n", "importing 'jobs' failed: StopIteration"),
    fails("a module that ends the process", "import sys; sys.exit(0)\n", "importing 'jobs' failed: SystemExit: 0"),
    fails("a module that needs another", "import no_such_module\n", "importing 'jobs' failed: ModuleNotFoundError"),
    fails("a callback that fails", CALLBACK.format(init="raise OSError('no room')", begin="pass"),
          r"training.callbacks\[0\]: jobs:Mine\(n=3\) failed: OSError: no room",
          **{"training.callbacks": [{"name": "jobs:Mine", "n": 3}]}),
    fails("an optimizer that fails", "def rates():\n    raise GeneratorExit\n", "jobs:rates.* failed: GeneratorExit",
          **{"model.compile.optimizer": "jobs:rates"}),
    fails("a loss that fails", "class L:\n    def __init__(self):\n        raise BaseException('odd')\n",
          "jobs:L.* failed: BaseException: odd", **{"model.compile.loss": {"name": "jobs:L"}}),
]  # fmt: skip
