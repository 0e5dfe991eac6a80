import errno
from pathlib import Path

import pytest

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
from handler.store.atomic_files import as_store_errors
from tasks.interruption import TrainingInterrupted
from tasks.stage_policy import is_transient


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
