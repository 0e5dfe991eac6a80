"""Specifications: their meaning, their reading, and the origin of the user's functions."""

import json

import numpy as np
import pytest
import yaml

from handler.errors import SpecError
from handler.spec.compilation import fill_defaults
from handler.spec.reader import dump_spec, load_spec, parse_spec, read_spec
from handler.spec.training_spec import TrainingSpec
from tests.good_spec import changed, write_good

LEAST = {"data": {"source": "synthetic"}, "model": {"architecture": "pointnet"}, "training": {"epochs": 2}}


def test_omitted_fields_have_defaults():
    spec = parse_spec(LEAST)
    assert (spec.name, spec.seed, spec.freeze_training) == ("training", 0, [])
    assert (spec.training.batch_size, spec.training.threads, spec.training.callbacks) == (32, None, [])
    left_out = spec.model.compile.model_dump()
    assert fill_defaults(left_out) == left_out | {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": []}
    assert spec.data.args == {}


def test_a_specification_survives_a_yaml_and_json_round_trip(tmp_path):
    spec = parse_spec(changed({"model.compile.class_weight": {0: 1, "tree": 2.5}, "freeze_training.0.except": ["x"]}))
    (tmp_path / "spec.yaml").write_text(dump_spec(spec))
    (tmp_path / "spec.json").write_text(spec.model_dump_json(by_alias=True))
    assert read_spec(tmp_path / "spec.yaml") == read_spec(tmp_path / "spec.json") == spec
    assert spec.model.compile.class_weight == {"0": 1.0, "tree": 2.5}


def test_freeze_training_accepts_null_one_entry_or_a_list():
    entry = {"layers": ["a"]}
    assert parse_spec(LEAST | {"freeze_training": None}).freeze_training == []
    one, several = parse_spec(LEAST | {"freeze_training": entry}), parse_spec(LEAST | {"freeze_training": [entry]})
    assert one == several
    assert one.freeze_training[0].except_ == []


def test_names_without_arguments_are_accepted_as_text():
    long = changed({"model.compile.optimizer": {"name": "Adam"}, "model.compile.metrics": [{"name": "accuracy"}]})
    short = changed({"model.compile.optimizer": "adam", "model.compile.metrics": ["accuracy"]})
    assert parse_spec(long) == parse_spec(short)
    callbacks = parse_spec(LEAST | {"training": {"epochs": 1, "callbacks": ["TerminateOnNaN"]}}).training.callbacks
    assert (callbacks[0].name, callbacks[0].arguments()) == ("TerminateOnNaN", {})


def test_callbacks_can_monitor_every_logged_metric(tmp_path):
    def watching(monitor, **change):
        return parse_spec(changed({"training.callbacks.0.monitor": monitor, **change}))

    for monitor in (
        "loss",
        "accuracy",
        "learning_rate",
        "val_loss",
        "val_accuracy",
    ):  # a function may return validation data
        watching(monitor)
    watching("mean_io_u", **{"model.compile.metrics": [{"name": "MeanIoU", "num_classes": 3}]})
    watching("whatever", **{"model.compile.metrics": ["things:data"]})
    cloud = {"data": {"source": "synthetic", "validation": "synthetic"}, "training.callbacks.0.monitor": "val_loss"}
    assert parse_spec(changed(cloud)).data.validation == "synthetic"


def test_validation_arrays_of_an_npz_allow_a_val_loss_monitor(tmp_path):
    x, y = np.zeros((4, 6), "float32"), np.zeros(4, "int64")
    change = {"data": {"source": "points.npz"}, "training.callbacks.0.monitor": "val_loss"}
    np.savez(tmp_path / "points.npz", X=x, y=y)
    with pytest.raises(SpecError, match=r"callbacks\[0\].monitor: 'val_loss' can't be watched, there is no validation data"):
        load_spec(write_good(tmp_path, yaml.safe_dump(changed(change))))
    np.savez(tmp_path / "points.npz", X=x, y=y, X_val=x, y_val=y)
    assert load_spec(write_good(tmp_path, yaml.safe_dump(changed(change))))[0].data.source == "points.npz"


def test_the_schema_describes_every_field():
    schema = TrainingSpec.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    for model in models:
        assert model["description"]
        for name, field in model["properties"].items():
            if name == "name" and "const" in field:
                continue
            assert field.get("title") or "$ref" in field, (model["title"], name)
            assert field.get("description") or name in ("name", "compile"), (model["title"], name)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$defs"]["Entry"]["properties"].keys() >= {"training_interval", "layers", "except", "strategy"}
    assert all(model.get("additionalProperties") is False for model in models if model["title"] != "Callback")
