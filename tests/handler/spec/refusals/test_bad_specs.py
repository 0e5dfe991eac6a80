"""Every bad specification is refused with one sentence and the field's path, before TensorFlow is needed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handler.errors import SpecError
from handler.schedule.layer_outline import LayerInfo, Outline
from handler.schedule.schedule import compute_schedule
from handler.spec.reader import load_spec, parse_spec
from tests.bad_specs import BAD
from tests.bad_values import MORE
from tests.good_spec import GOOD, write_good

NETWORK = Outline(tuple(LayerInfo(name) for name in ("first", "second", "head")), weightless=("given", "drop"))


def test_the_valid_specification_is_accepted(tmp_path):
    spec, folder = load_spec(write_good(tmp_path))
    assert spec.name == "good"
    assert folder == tmp_path.resolve()
    assert compute_schedule(spec.freeze_training, spec.training.epochs, NETWORK).op_epoch == (1, 3, 4, 5, 6)


def test_bad_specifications_have_distinct_names():
    assert len({bad.id for bad in [*BAD, *MORE]}) == len(BAD) + len(MORE)


def test_there_are_at_least_160_bad_specifications():
    assert len(BAD) + len(MORE) >= 160


def load_and_schedule(file):
    spec, _ = load_spec(file)
    compute_schedule(spec.freeze_training, spec.training.epochs, NETWORK)


@pytest.mark.parametrize("bad", [*BAD, *MORE], ids=lambda bad: bad.id)
def test_a_bad_specification_is_refused_in_one_sentence(bad, tmp_path):
    file = write_good(tmp_path, bad.change)
    with pytest.raises(SpecError) as caught:
        load_and_schedule(file)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{bad.path or file}: ")
    assert re.search(bad.text, caught.value.message), said
    assert caught.value.exit_code == 2


def test_several_faults_are_reported_one_per_line():
    with pytest.raises(SpecError) as caught:
        parse_spec(GOOD | {"seed": -1, "training": {"epochs": 0, "batch_sise": 3}})
    assert str(caught.value).splitlines() == [
        "seed: must be at least 0, not -1",
        "training.epochs: must be at least 1, not 0",
        "training.batch_sise: unknown key; did you mean 'batch_size'?",
    ]


def test_a_folder_name_other_than_utf_8_is_refused(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff"))
    folder.mkdir()
    with pytest.raises(SpecError, match=r"^specification: the name of b'.*xff' isn't UTF-8; rename the folder"):
        load_spec(write_good(folder))


def test_a_module_with_a_syntax_error_is_refused_with_its_line(tmp_path):
    file = write_good(tmp_path)
    (tmp_path / "things.py").write_text("def data():\n    return 1 +\n")
    with pytest.raises(SpecError, match=r"data.source: things.py, line 2: invalid syntax"):
        load_spec(file)


def test_a_module_named_like_a_standard_one_is_refused(tmp_path):
    file = write_good(tmp_path, {"data.source": "random:data"})
    (tmp_path / "random.py").write_text("def data(examples):\n    return examples\n")
    with pytest.raises(SpecError, match=r"data.source: random.py has the name of a module of Python's own library"):
        load_spec(file)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs", "--set: 'training.epochs' must have the form key.path=value"),
        ("training.epoch=3", "training.epoch: unknown key; did you mean 'epochs'"),
        ("trainin.epochs=3", "trainin: unknown key; did you mean 'training'"),
        ("training.epochs=many", "training.epochs: must be a whole number, not 'many'"),
        ("training.epochs=[3", "--set training.epochs: line 1, column"),
        ("freeze_training.7.layers=all", "--set freeze_training.7: freeze_training is a list of 2; items count from 0"),
        ("model.compile.loss.name=mse", "--set model.compile.loss.name: model.compile.loss is .*, which has no keys"),
    ],
)
def test_an_invalid_override_is_refused(override, words, tmp_path):
    with pytest.raises(SpecError, match=words):
        load_spec(write_good(tmp_path), [override])


def test_refusing_a_specification_imports_no_tensorflow(tmp_path):
    file = write_good(tmp_path, {"seed": -1})
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from handler.errors import SpecError\nimport handler.fingerprint.declaration, handler.spec\n"
        "try:\n    handler.spec.load_spec(Path(sys.argv[1]))\nexcept SpecError as error:\n    print(error)\n"
        "print(sorted({'tensorflow', 'keras', 'prefect', 'scipy'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["seed: must be at least 0, not -1", "[]"]


@pytest.mark.parametrize("arguments", [["train", "b\udcff.yaml"], ["runs", "--store", "s\udcff"], ["show", "r\udcff"]])
def test_an_argument_other_than_utf_8_is_refused(arguments, capfd):
    from flows.cli.app import run

    assert run(arguments) == (2, False)
    assert "the command line: " in capfd.readouterr().err


def test_a_store_folder_name_other_than_utf_8_is_refused(tmp_path):
    from handler.store.store import Store

    with pytest.raises(SpecError, match=r"^store: the name of b'.*xff/store' isn't UTF-8"):
        Store(Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff")) / "store")
