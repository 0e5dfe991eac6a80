"""The first key: each field of a specification that affects the result changes it, and no other field does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from handler.data.data_spec import DataSpec
from handler.fingerprint.declaration import FileDigests, build_declaration
from handler.fingerprint.differences import first_difference, spec_field
from handler.spec.callback_rules import RULES
from handler.spec.reader import parse_spec
from handler.spec.training_options import TrainingOptions
from handler.spec.training_spec import CompileSpec, ModelSpec, TrainingSpec
from handler.store.checksums import compute_key
from tests.good_spec import changed, write_good

STEERS = {"name": "EarlyStopping", "monitor": "loss", "patience": 5}
# By field: valid values.
NEUTRAL = {
    "name": ["another", "third"],
    "training.epochs": [20, 9],
    "training.in_place": [True],
    "training.threads": [1, 7],
    "training.snapshot": [{"steps": 3}, {"steps": 100}],
    "training.prefix_cache": ["off", True, {"mode": "on", "max_bytes": 1000, "lambdas": True}],
    "training.masks_kept": [1, 40],
    "training.non_finite": ["continue"],
    "freeze_training": [None, [], {"layers": ["head"]}, {"training_interval": [0, 2], "layers": ["*"], "initial_learning_rate": 0.5}],
    "training.callbacks": [[STEERS, {"name": "CSVLogger", "filename": "a.csv"}], [{"name": "TensorBoard", "log_dir": "b"}, STEERS]],
}
DECIDING = {
    "seed": [2, 2**32 - 1],
    "training.batch_size": [4, 9],
    "training.strategy": ["mirrored", {"name": "mirrored", "devices": 2}, {"name": "mirrored", "devices": 3}],
    "training.callbacks": [[], [{**STEERS, "patience": 6}], [{**STEERS, "restore_best_weights": True}], [STEERS, STEERS], [STEERS, "TerminateOnNaN"]],
    "data.source": ["things:network", "points.npz", "other.npz"],
    "data.args": [{"examples": 33}, {}],
    "data.validation": ["things:data"],
    "data.version": [1, 2],
    "data.files": [["points.npz"], ["*.npz"]],
    "model.architecture": ["things:data"],
    "model.args": [{"width": 5}],
    "model.weights": ["start.weights.h5", "else.weights.h5"],
    "model.compile.optimizer": ["sgd", {"name": "adam", "learning_rate": 0.02}, {"name": "adam", "learning_rate": 0.01, "clipnorm": 1.0}],
    "model.compile.loss": ["mse"],
    "model.compile.metrics": [[], ["accuracy", "mse"]],
    "model.compile.class_weight": [{0: 2}, {0: 3}],
}
SECTIONS = {"": TrainingSpec, "data.": DataSpec, "model.": ModelSpec, "model.compile.": CompileSpec, "training.": TrainingOptions}


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """Return a function that returns the first key of the changed valid specification, or its whole declaration."""
    folder = tmp_path_factory.mktemp("good")
    write_good(folder)
    for name, value in (("points", 0), ("other", 1)):
        np.savez(folder / f"{name}.npz", X=np.full((4, 6), value, "float32"), y=np.zeros(4, "int64"))
    for name in ("start", "else"):
        (folder / f"{name}.weights.h5").write_bytes(name.encode())

    def of(change, whole=False):
        if str(change.get("data.source", "")).endswith(".npz"):
            change = {"data.args": {}, **change}
        declaration = build_declaration(parse_spec(changed(change)), folder, FileDigests(None))
        return declaration if whole else compute_key(declaration)

    return of


def test_every_field_is_classified_by_its_effect_on_the_key():
    fields = {f"{section}{field.alias or name}" for section, model in SECTIONS.items() for name, field in model.model_fields.items()}
    sections = {field for field in fields if any(field + "." == section for section in SECTIONS)}
    assert fields - sections == NEUTRAL.keys() | DECIDING.keys()
    for model in SECTIONS.values():
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                assert field.annotation in SECTIONS.values() or name in ("snapshot", "prefix_cache"), f"{name} has fields of its own"


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in DECIDING.items() for v in values], ids=repr)
def test_a_field_that_affects_the_result_changes_the_key(field, value, key):
    assert key({field: value}) != key({})
    path, *_ = first_difference(key({}, whole=True), key({field: value}, whole=True))
    section = field if field != "data.source" or not str(value).endswith(".npz") else "data"
    assert spec_field(path).startswith(section)


def choices(table):
    return st.fixed_dictionaries({}, optional={field: st.sampled_from(values) for field, values in table.items()})


@given(choices(NEUTRAL), choices({f: v for f, v in DECIDING.items() if f != "training.callbacks"}))
@settings(max_examples=60, deadline=None)
def test_a_field_without_effect_never_changes_the_key(key, neutral, deciding):
    assert key({**deciding, **neutral}) == key(deciding)
    assert (key(deciding) == key({})) == (not deciding)


@pytest.mark.parametrize("logger", sorted(name for name, rule in RULES.items() if not rule.affects_training and not rule.refused))
def test_callbacks_that_only_write_do_not_enter_the_key(logger, key):
    needed = {"CSVLogger": {"filename": "a.csv"}, "ModelCheckpoint": {"filepath": "a.keras", "monitor": "loss"}}.get(logger, {})
    assert key({"training.callbacks": [{"name": logger, **needed}, STEERS]}) == key({})


def test_two_values_of_a_field_never_share_a_key(key):
    for field, values in DECIDING.items():
        assert len({key({field: value}) for value in values}) == len(values), field
