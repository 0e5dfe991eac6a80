"""The inputs of a run as a user gives them."""

import pytest

from handler.errors import SpecError
from handler.run.inputs import RunInputs
from handler.spec.reader import parse_spec
from tests.good_spec import GOOD


def test_a_run_has_the_name_of_its_specification_by_default(tmp_path):
    inputs = RunInputs.of(parse_spec(GOOD), tmp_path, str(tmp_path / "store"), None)
    assert (inputs.name, inputs.folder, inputs.store) == ("good", str(tmp_path), str(tmp_path / "store"))
    assert RunInputs.of(inputs.spec, tmp_path, "store", "other").name == "other"


def test_the_inputs_survive_a_json_round_trip(tmp_path):
    inputs = RunInputs.of(parse_spec(GOOD), tmp_path, "store", None, allow_environment_change=True)
    assert RunInputs.model_validate_json(inputs.model_dump_json(by_alias=True)) == inputs


def test_an_invalid_run_name_is_refused(tmp_path):
    with pytest.raises(SpecError, match="can't name a run"):
        RunInputs.of(parse_spec(GOOD), tmp_path, "store", "../out")
