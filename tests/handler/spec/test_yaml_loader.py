"""Numbers and merge keys of YAML."""

import pytest
import yaml

from handler.errors import SpecError
from handler.spec.reader import load_spec
from tests.good_spec import GOOD, write_good


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
