"""How the wish to stop travels through Prefect: as a BaseException, so that no stage retries it or fails by it."""

from __future__ import annotations


class TrainingInterrupted(BaseException):
    """The training was asked to stop and its state is saved.

    Prefect's tasks take `Interrupted` (an Exception) for a failure that may be retried; a BaseException ends the task
    as crashed and goes straight to the flow.
    """
