"""Callbacks write below the run's directory, also the user's own ones, and whatever name they format."""

import textwrap

import keras
import numpy as np
import pytest

from handler.backend.callbacks import path_function
from handler.errors import SpecError
from handler.run.builders import build_callbacks
from handler.spec.callback_files import OWN_FILES
from handler.spec.reader import parse_spec
from handler.store.runs import FILES, RECORD
from handler.store.store import Store
from tests.good_spec import changed, write_good

OWN = """
import keras

class Log(keras.callbacks.CSVLogger):
    pass

class Best(keras.callbacks.ModelCheckpoint):
    pass
"""


@pytest.fixture
def build(tmp_path):
    """Return a function that builds one callback of a specification, for a run in `tmp_path/run`."""
    write_good(tmp_path)
    (tmp_path / "own.py").write_text(textwrap.dedent(OWN))
    (tmp_path / "run").mkdir()

    def build_(**callback):
        return build_callbacks(parse_spec(changed({"training.callbacks": [callback]})), tmp_path, tmp_path / "run")[0]

    return build_


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        ({"name": "own:Log", "filename": "../log.csv"}, "filename: '../log.csv' leaves the run's folder"),
        ({"name": "own:Log", "filename": "run.json"}, "filename: 'run.json' is a file of the run itself"),
        ({"name": "own:Best", "filepath": "{epoch.__doc__}.keras"}, "the field {epoch.__doc__} can't be used"),
        ({"name": "own:Best", "filepath": "/tmp/x.keras"}, "leaves the run's folder"),
    ],
    ids=str,
)
def test_a_user_subclass_of_a_logger_writes_in_the_runs_folder(callback, said, build, tmp_path):
    with pytest.raises(SpecError, match=said):
        build(**callback)
    assert not list((tmp_path / "run").iterdir())
    assert build(name="own:Log", filename="a/log.csv").filename == str(tmp_path.resolve() / "run" / "a" / "log.csv")


def test_a_tensorboard_without_log_dir_writes_in_the_runs_folder(build, tmp_path):
    assert build(name="TensorBoard").log_dir == str(tmp_path.resolve() / "run" / "logs")


def test_a_formatted_file_name_is_checked_again(build, tmp_path):
    made = build(name="ModelCheckpoint", filepath="{epoch:02d}-{loss:.1f}.keras")
    assert path_function(made)(epoch=0, batch=None, logs={"loss": 0.25}) == str(tmp_path.resolve() / "run" / "01-0.2.keras")
    for value, said in ((_Value("/../../x"), "leaves the run's folder"), (_Value("/.x"), "is hidden"), (_Value("\0"), "can't name a file")):
        with pytest.raises(SpecError, match=said):
            path_function(made)(epoch=0, batch=None, logs={"loss": value})
    (tmp_path / "run" / "02-0.2.keras").symlink_to(tmp_path / "outside.keras")
    with pytest.raises(SpecError, match=r"is a link to .*, outside of the run's folder"):
        path_function(made)(epoch=1, batch=None, logs={"loss": 0.25})


class _Value:
    """A metric's value with its own formatting."""

    def __init__(self, text):
        self.text = text

    def __format__(self, form):
        return self.text


def test_braces_in_a_folders_name_are_not_formatted(tmp_path):
    write_good(tmp_path)
    folder = tmp_path / "{epoch.__doc__}"
    folder.mkdir()
    spec = parse_spec(changed({"training.callbacks": [{"name": "ModelCheckpoint", "filepath": "{epoch}.keras"}]}))
    made = build_callbacks(spec, tmp_path, folder)[0]
    made.set_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    made.on_epoch_end(0, {"loss": np.float32(1)})
    assert [file.name for file in folder.iterdir()] == ["1.keras"]


def test_the_files_of_a_run_have_reserved_names(tmp_path):
    assert {*FILES, RECORD, Store(tmp_path).runs.folder("a").joinpath("lock").name} <= OWN_FILES
