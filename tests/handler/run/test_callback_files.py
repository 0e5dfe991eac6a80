import inspect

import keras
import pytest

from handler.run.builders import build_callbacks
from handler.spec.callback_rules import RULES
from handler.spec.reader import parse_spec

DEFAULT_FILES = {"TensorBoard": {"log_dir": "logs"}}
PATHS = {"filename", "filepath", "log_dir", "directory", "backup_dir"}
CALLBACKS = [name for name in dir(keras.callbacks) if isinstance(getattr(keras.callbacks, name), type) and not (name in RULES and RULES[name].refused)]


def paths_of(name):
    parameters = inspect.signature(getattr(keras.callbacks, name).__init__).parameters
    return {key: parameters[key].default for key in PATHS & parameters.keys()}


def test_every_default_path_of_a_keras_callback_is_listed():
    default = {name: {k: v for k, v in paths_of(name).items() if v is not inspect.Parameter.empty} for name in CALLBACKS}
    assert {name: paths for name, paths in default.items() if paths} == DEFAULT_FILES


@pytest.mark.parametrize("name", [name for name in CALLBACKS if paths_of(name)])
def test_every_callback_writes_below_the_runs_folder(name, tmp_path):
    given = dict.fromkeys(paths_of(name), "log.keras") if name not in DEFAULT_FILES else {}
    spec = parse_spec({"name": "x", "data": {"source": "a:b"}, "model": {"architecture": "a:b"},
                       "training": {"epochs": 1, "callbacks": [{"name": name, **given}]}})  # fmt: skip
    (callback,) = build_callbacks(spec, tmp_path, tmp_path / "run")
    written = {str(value) for key in PATHS for value in [getattr(callback, key, None)] if value is not None}
    assert written
    assert all(path.startswith(str(tmp_path / "run")) for path in written)
