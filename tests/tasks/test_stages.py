"""The stages of a training as Prefect tasks."""

from itertools import pairwise

import pytest
from prefect import Task
from prefect.states import Failed

from handler.errors import SpecError
from tasks import stages
from tasks.segment import segment
from tasks.stage_policy import RETRIES

STAGES = [stage for stage in (*vars(stages).values(), segment) if isinstance(stage, Task)]


def test_a_training_has_seven_stages():
    assert {stage.name for stage in STAGES} == {"plan", "pre-fit", "backup", "restore", "post-fit", "report", segment.name}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_is_retried_with_doubling_delays(stage):
    delays = stage.retry_delay_seconds
    assert len(delays) == stage.retries == RETRIES
    assert all(0 < earlier * 2 == later for earlier, later in pairwise(delays))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_is_retried_only_after_a_transient_fault(stage):
    assert stage.retry_condition_fn(stage, None, Failed(data=OSError(5, "tired")))
    assert not stage.retry_condition_fn(stage, None, Failed(data=SpecError("data", "wrong")))
    assert not stage.retry_condition_fn(stage, None, Failed())
