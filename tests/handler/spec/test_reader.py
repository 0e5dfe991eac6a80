"""The folder and the overrides of a specification that is read from a file."""

import pytest

from handler.errors import SpecError
from handler.spec.reader import load_spec, read_spec
from tests.good_spec import write_good


def test_the_default_folder_is_that_of_the_file(tmp_path):
    _, folder = load_spec(write_good(tmp_path))
    assert folder == tmp_path.resolve()


def test_another_folder_is_accepted(tmp_path):
    code, stored = tmp_path / "code", tmp_path / "stored"
    code.mkdir()
    stored.mkdir()
    write_good(code)
    (code / "spec.yaml").rename(stored / "spec.yaml")
    with pytest.raises(SpecError, match="there is no module 'things'"):
        load_spec(stored / "spec.yaml")
    assert load_spec(stored / "spec.yaml", folder=code)[1] == code.resolve()
    assert read_spec(stored / "spec.yaml").name == "good"


def test_overrides_replace_values_of_the_file(tmp_path):
    file = write_good(tmp_path)
    overrides = [
        "training.epochs=9",
        "freeze_training[0].training_interval=[0, 2]",
        "freeze_training.1.initial_learning_rate=1e-3",
        "data.args.seed=4",
        "model.compile.optimizer=sgd",
        "training.callbacks=[]",
    ]
    spec, _ = load_spec(file, overrides)
    assert spec.training.epochs == 9
    assert spec.freeze_training[0].training_interval == (0, 2)
    assert spec.freeze_training[1].initial_learning_rate == 0.001
    assert spec.data.args == {"examples": 32, "seed": 4}
    assert spec.model.compile.optimizer == "sgd"
    assert spec.training.callbacks == []
    assert load_spec(file, ["freeze_training=null"])[0].freeze_training == []
