"""The sources of initial weights that a specification may name."""

import pytest

from handler.errors import SpecError
from handler.spec.initial_weights import WeightsInto, check_not_from_itself, check_weights, parse_weights


@pytest.mark.parametrize("source", ["run:first", "run:first@12", "start.keras", "folder/start.weights.h5"])
def test_a_source_of_a_known_form_is_accepted(source):
    assert parse_weights(check_weights(source)) == (source, "")


def test_a_mapping_names_the_part_that_receives_the_weights():
    weights = check_weights({"file": "run:first", "into": "backbone"})
    assert isinstance(weights, WeightsInto)
    assert parse_weights(weights) == ("run:first", "backbone")


@pytest.mark.parametrize(
    ("source", "path"), [("w.pkl", ""), ("run:a@last", ""), ({"file": "run:a@-1", "into": "low"}, "file"), ({"file": "run:a"}, "into")]
)
def test_another_source_is_refused_with_its_path(source, path):
    with pytest.raises(SpecError) as refused:
        check_weights(source)
    assert refused.value.path == path


@pytest.mark.parametrize("weights", ["run:mine", "run:mine@1", WeightsInto(file="run:mine", into="backbone")])
def test_a_run_cannot_start_from_its_own_state(weights):
    with pytest.raises(SpecError, match="is the run that is to be trained"):
        check_not_from_itself(weights, "mine")
    check_not_from_itself(weights, "mine2")
