"""Specifications: their meaning, their reading, and the origin of the user's functions."""

import json
import sys

import numpy as np
import pytest
import yaml

from handler.errors import SpecError, UserCodeError
from handler.errors.quoting import suggestion
from handler.spec.compilation import completed
from handler.spec.reader import dump_spec, load_spec, parse_spec, read_spec
from handler.spec.training_spec import TrainingSpec
from handler.user_code.importer import resolve_function
from handler.validation.run_name import check_run_name
from tests.good_spec import GOOD, changed, write_good

LEAST = {"data": {"source": "synthetic"}, "model": {"architecture": "pointnet"}, "training": {"epochs": 2}}


def test_omitted_fields_have_defaults():
    spec = parse_spec(LEAST)
    assert (spec.name, spec.seed, spec.freeze_training) == ("training", 0, [])
    assert (spec.training.batch_size, spec.training.threads, spec.training.callbacks) == (32, None, [])
    left_out = spec.model.compile.model_dump()
    assert completed(left_out) == left_out | {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": []}
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


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "0.001", "1.0e-3", ".001", "+1e-03"])
def test_every_spelling_of_a_rate_is_a_number(text, tmp_path):
    file = write_good(tmp_path, yaml.safe_dump(GOOD).replace("learning_rate: 0.005", f"learning_rate: {text}"))
    assert load_spec(file)[0].freeze_training[1].initial_learning_rate == 0.001


def test_yaml_merge_keys_are_read(tmp_path):
    text = "a: &a {x: 1}\nname: b\n" + yaml.safe_dump({k: v for k, v in GOOD.items() if k != "name"})
    with pytest.raises(SpecError, match=r"^a: unknown key"):
        load_spec(write_good(tmp_path, text))
    merged = text.replace("a: &a {x: 1}\n", "").replace("data:\n", "data:\n  <<: {version: 3}\n")
    assert load_spec(write_good(tmp_path, merged))[0].data.version == 3


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


@pytest.mark.parametrize("name", ["a", "Run-1", "_x", "2026.11", "a" * 100])
def test_valid_run_names_are_accepted(name):
    assert check_run_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "-x", ".x", "a/b", "a\\b", "a b", "ü", "a\n", "a" * 101, None, 3])
def test_invalid_run_names_are_refused(name):
    with pytest.raises(SpecError, match="can't name a run"):
        check_run_name(name)


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


def test_a_suggestion_is_a_close_name_or_a_list_of_all_names():
    assert suggestion("perod", ["period", "count"]) == "did you mean 'period'?"
    assert suggestion("zzz", ["period", "count"]) == "known are: period, count"
    assert suggestion("x", [str(i) * 5 for i in range(9)], most=3) == "known are: 00000, 11111, 22222 and 6 more"
    assert suggestion("x", [], "there are") == "there are none"


# The user's own functions


@pytest.fixture
def folder(tmp_path):
    write_good(tmp_path)
    yield tmp_path
    for name in [
        name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(str(tmp_path))
    ]:
        del sys.modules[name]


def test_a_function_is_imported_from_the_specifications_folder(folder):
    data = resolve_function("things:data", folder)
    assert data(examples=3)[0].shape == (3, 6)
    assert data.__module__ == "things"
    assert str(folder) not in sys.path
    assert not (folder / "__pycache__").exists()


def test_modules_of_the_folder_import_one_another(folder):
    (folder / "parts").mkdir()
    (folder / "parts" / "__init__.py").write_text("FACTOR = 2\n")
    (folder / "parts" / "inner.py").write_text(
        "from . import FACTOR\nimport things\n\ndef twice():\n    return FACTOR * things.LIMIT\n"
    )
    assert resolve_function("parts.inner:twice", folder)() == 6


def test_an_import_within_a_function_resolves_to_its_sibling(folder):
    (folder / "late.py").write_text("def limit():\n    import things\n    return things.LIMIT\n")
    assert resolve_function("late:limit", folder)() == 3


def test_modules_of_one_name_in_two_folders_are_kept_apart(folder, tmp_path):
    results = []
    for value in (1, 2):
        other = tmp_path / str(value)
        other.mkdir()
        (other / "things.py").write_text("import common\n\ndef data():\n    return common.VALUE\n")
        (other / "common.py").write_text(f"VALUE = {value}\n")
        results.append(resolve_function("things:data", other.resolve())())
    assert results == [1, 2]


def test_a_changed_module_is_imported_again(folder):
    assert resolve_function("things:data", folder)(examples=1)
    (folder / "things.py").write_text("def data():\n    return 'changed'\n")
    assert resolve_function("things:data", folder)() == "changed"


def test_checking_a_specification_does_not_run_its_modules(folder):
    (folder / "things.py").write_text(
        "raise RuntimeError('run')\ndef data(examples):\n    pass\ndef network(width):\n    pass\n"
    )
    load_spec(folder / "spec.yaml")
    with pytest.raises(UserCodeError, match="importing 'things' failed: RuntimeError: run"):
        resolve_function("things:data", folder)


@pytest.mark.parametrize(
    "body",
    [
        "from things import data as renamed",
        "if True:\n    def renamed(): pass",
        "try:\n    import nothing_there\nexcept ImportError:\n    renamed = print",
        "class renamed: pass",
        "renamed: object = print",
    ],
)
def test_every_form_of_definition_is_resolved(body, folder):
    (folder / "more.py").write_text(body + "\n")
    assert callable(resolve_function("more:renamed", folder))


def test_a_reference_to_no_function_is_refused(folder):
    with pytest.raises(SpecError, match=r"data.source: 'things:LIMIT' is 3, not a function or a class"):
        resolve_function("things:LIMIT", folder, "data.source")
    with pytest.raises(SpecError, match="must have the form module:function, not 'things'"):
        resolve_function("things", folder)


def test_a_module_that_would_hide_a_loaded_one_is_refused(folder):
    (folder / "numpy.py").write_text("def data():\n    pass\n")
    with pytest.raises(SpecError, match=r"numpy.py has the name of a module that is already loaded from"):
        resolve_function("numpy:data", folder)


def test_other_modules_are_refused_unless_allowed(folder, monkeypatch):
    with pytest.raises(SpecError, match="there is no module 'wave' in"):
        resolve_function("wave:open", folder)
    monkeypatch.setenv("FROSTLINE_ALLOWED_MODULES", "json.tool, wave")
    assert resolve_function("wave:open", folder).__module__ == "wave"
    with pytest.raises(SpecError, match="there is no module 'json' in"):
        resolve_function("json:loads", folder)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("def data(examples, *, needed): pass", "data.args", "things:data needs needed"),
        ("def data(other=1): pass", "data.args.examples", "unknown argument of things:data; it takes: other"),
    ],
)
def test_missing_and_unknown_arguments_are_refused(text, path, words, folder):
    (folder / "things.py").write_text(text + "\ndef network(width): pass\n")
    with pytest.raises(SpecError, match=words) as caught:
        load_spec(folder / "spec.yaml")
    assert caught.value.path == path


@pytest.mark.parametrize("text", ["def data(**anything): pass", "@decorated\ndef data(): pass", "data = print"])
def test_arguments_of_unknown_signatures_are_accepted(text, folder):
    (folder / "things.py").write_text(text + "\ndef network(width): pass\n")
    assert load_spec(folder / "spec.yaml")[0].data.args == {"examples": 32}
