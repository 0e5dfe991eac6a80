"""Bad data and networks are refused with one sentence before the first step; failing user code is named in one."""

import copy
import re

import pytest

from handler.errors import SpecError, UserCodeError
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.spec.reader import parse_spec
from handler.spec.references import check_references
from handler.user_code.boundary import UserCode
from tests.bad_inputs import BAD_INPUTS, MODULE, SPEC


def spec_of(change):
    spec = copy.deepcopy(SPEC)
    for path, value in change.items():
        *parents, last = path.split(".")
        target = spec
        for key in parents:
            target = target.setdefault(key, {})
        target[last] = value
    return parse_spec(spec)


def prepare(folder, change):
    """Run all stages of a training before its first step and return the trainer."""
    spec = spec_of(change)
    check_references(spec, folder)
    run = TrainingRun(RunInputs(spec=spec, folder=str(folder), store=str(folder / "store"), name="bad"))
    run.plan()
    with UserCode(folder):
        run.live.pre_fit()
        return run.live.runner.trainer


def test_the_valid_input_is_accepted(tmp_path):
    (tmp_path / "jobs.py").write_text(MODULE)
    prepare(tmp_path, {}).run_epoch(0)


def test_bad_inputs_have_distinct_names():
    assert len({bad.id for bad in BAD_INPUTS}) == len(BAD_INPUTS)


def test_there_are_at_least_65_bad_inputs():
    assert len(BAD_INPUTS) >= 65


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.id)
def test_a_bad_input_is_refused_before_the_first_step(bad, tmp_path):
    (tmp_path / "jobs.py").write_text(MODULE + bad.code)
    with pytest.raises(UserCodeError if bad.fails else SpecError) as caught:
        prepare(tmp_path, bad.change)
    said = str(caught.value)
    assert re.search(bad.text, said), said
    assert "\n" not in said
    assert caught.value.exit_code == (1 if bad.fails else 2)
    assert not list((tmp_path / "store").glob("states/*")) + list((tmp_path / "store").glob("runs/*/run.json"))
