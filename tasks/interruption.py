"""The exception that carries a stop request through Prefect."""


class TrainingInterrupted(BaseException):
    """The training was asked to stop, and its state is saved.

    Prefect's tasks treat `Interrupted` (an Exception) as a failure that may be retried. A BaseException ends the task
    as crashed and propagates to the flow, so that no stage retries it or counts it as its failure.
    """
