"""The retry policy, result caching and locking of the stages."""

import errno
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run
from prefect.tasks import exponential_backoff
from prefect.transactions import IsolationLevel

from handler.errors import DamagedError, Interrupted, StoreError
from handler.run.inputs import RunInputs
from handler.run.training_run import TrainingRun
from handler.store.occupied_paths import free_place
from tasks.interruption import TrainingInterrupted
from tasks.result_locks import FlockLockManager
from tasks.run_log import errors_masked

RETRIES = 4
# guard: read-only-disk-not-retried
PERMANENT_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # a person has to fix these
P = ParamSpec("P")
R = TypeVar("R")


def is_transient(error: BaseException) -> bool:
    """Return whether a retry may succeed: true for errors of the disk, the network or the store.

    An error in the specification or a mismatch stays. So do a missing or forbidden file, a full disk, a disk mounted
    read-only, and a limit on file sizes, also as the cause of a StoreError. Damage stays too.
    """
    # guard: permanent-fault-not-retried
    if not isinstance(error, OSError | StoreError) or isinstance(error, DamagedError):
        return False
    cause = error.__cause__ if isinstance(error, StoreError) else error
    permanent = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
    return not (isinstance(cause, permanent) or (isinstance(cause, OSError) and cause.errno in PERMANENT_ERRNOS))


def should_retry(task: Task[..., Any], of: TaskRun, state: State[Any]) -> bool:
    """Apply `is_transient` to the attempt's exception; Prefect's retry condition."""
    return isinstance(state.data, BaseException) and is_transient(state.data)


def stage(name: str) -> Callable[[Callable[Concatenate[RunInputs, P], R]], Task[Concatenate[RunInputs, P], R]]:
    """Return a decorator that turns a function of `RunInputs` into the Prefect task of one stage.

    The task is retried with growing pauses (1, 2, 4, 8 s, with jitter) after a transient error (`is_transient`). A stop
    request is not an error. The task's result is not stored, unless `cached_by_key` configures it.

    Args:
        name: the stage's name, also of the task run in Prefect's timeline.
    """

    def decorate(function: Callable[Concatenate[RunInputs, P], R]) -> Task[Concatenate[RunInputs, P], R]:
        @functools.wraps(function)
        def attempt(inputs: RunInputs, *args: P.args, **kwargs: P.kwargs) -> R:
            with errors_masked():
                try:
                    return function(inputs, *args, **kwargs)
                except Interrupted as error:
                    raise TrainingInterrupted(str(error)) from error
                except Exception as error:
                    if is_transient(error):
                        remaining = RETRIES + 1 - (task_run.run_count or 1)
                        advice = f"; retrying in a few seconds, at most {remaining} more times" if remaining > 0 else ""
                        note(inputs, f"{name}: {type(error).__name__}: {error}{advice}")
                    raise

        stage_task = task(
            name=name,
            task_run_name=name,
            retries=RETRIES,  # guard: transient-fault-retried
            retry_delay_seconds=exponential_backoff(backoff_factor=1),
            retry_jitter_factor=0.3,
            retry_condition_fn=should_retry,
            persist_result=False,
            cache_policy=NO_CACHE,
            cache_result_in_memory=False,
        )
        return stage_task(attempt)

    return decorate


def note(inputs: RunInputs, text: str) -> None:
    """Send a note to the observers of the training."""
    for observer in TrainingRun.of(inputs).observers:
        observer.on_message(text)


def cached_by_key(task: Task[P, R], store: Path, key: str, waiting: Callable[[], None] = lambda: None) -> Task[P, R]:
    """Return the task with its result cached in the store under a key, and with mutual exclusion between runs.

    A second run waits for the first, and then uses its result. The lock ends with the process that holds it.

    Args:
        task: the stage.
        store: the store's directory.
        key: a key that determines the result completely.
        waiting: called if another run holds the lock.
    """
    free_place(store / "results" / key)
    locks = FlockLockManager(store / "results" / "locks", waiting=waiting)
    return task.with_options(
        persist_result=True,
        result_storage=store / "results",
        result_serializer="json",
        cache_policy=CacheKeyFnPolicy(cache_key_fn=lambda context, parameters: key).configure(
            isolation_level=IsolationLevel.SERIALIZABLE,
            lock_manager=locks,  # guard: shared-segment-trained-once
        ),
    )
