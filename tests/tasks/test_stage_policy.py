import errno
from itertools import pairwise
from pathlib import Path

import pytest
from prefect import Task
from prefect.states import Failed

from handler.errors import (
    BusyError,
    DamagedError,
    EnvironmentMismatch,
    MismatchError,
    ResourcesError,
    ScheduleError,
    SpecError,
    StoreError,
)
from handler.records import PlannedSegment
from handler.store.atomic_files import as_store_errors
from tasks import stages
from tasks.interruption import TrainingInterrupted
from tasks.segment import segment, title
from tasks.stage_policy import RETRIES, is_transient


def store_error(cause):
    """Return the StoreError that the store raises for a system error."""
    try:
        with as_store_errors(Path("file")):
            raise cause
    except StoreError as error:
        return error


@pytest.mark.parametrize(
    "fault",
    [OSError(5, "tired"), ConnectionResetError(), TimeoutError(), StoreError("gone for a while"), store_error(OSError(errno.EIO, "tired"))],
)
def test_a_transient_fault_is_retried(fault):
    assert is_transient(fault)


@pytest.mark.parametrize(
    "fault",
    [
        SpecError("data", "wrong"), ScheduleError("freeze_training", "wrong"), MismatchError("changed"),
        EnvironmentMismatch("other"), DamagedError("cut"), BusyError("other"), ValueError("wrong"), MemoryError(),
        FileNotFoundError("gone"), PermissionError("no"), TrainingInterrupted("stop"), KeyboardInterrupt(),
        ResourcesError("memory"), store_error(PermissionError(13, "no")), store_error(OSError(errno.EROFS, "read only")),
        store_error(OSError(errno.EFBIG, "too large")), OSError(errno.ENOSPC, "full"), store_error(OSError(errno.ENOSPC, "full")),
        store_error(OSError(errno.EDQUOT, "full")),
    ],
    ids=lambda fault: f"{type(fault).__name__} {fault.__cause__ or ''}",
)
def test_a_permanent_fault_is_not_retried(fault):
    assert not is_transient(fault)


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


@pytest.mark.parametrize(
    ("frozen", "said"),
    [
        ([], "epochs 2-4, all layers train"),
        (["a"], "epochs 2-4, 1 layer frozen"),
        (["a", "b", "c"], "epochs 2-4, 3 layers frozen"),
    ],
)
def test_the_title_of_a_segment_gives_its_epochs_and_frozen_layers(frozen, said):
    planned = PlannedSegment(index=1, start=2, end=4, frozen=frozen, trainable=[], trainable_parameters=0, state="k")
    assert title(planned) == said
