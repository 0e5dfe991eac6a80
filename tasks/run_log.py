"""Removal of secrets from the exceptions that Prefect's server stores: in log lines and in state messages."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from handler.errors import FrostlineError
from handler.errors.secrets import masked
from handler.user_code.tracebacks import describe_for_record

LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


class Masked(logging.Filter):
    """A log filter that masks passwords and other secrets in a line and in its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask a line; return True, since no line is dropped."""
        record.msg, record.args = masked(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
        return True


_masked = Masked()


def mask_logs() -> None:
    """Mask the log of flow runs and task runs from now on. Idempotent."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_masked)


@contextmanager
def errors_masked() -> Iterator[None]:
    """Replace an exception whose text holds a secret, because Prefect uses the text as a state's message.

    Raises:
        OSError: in place of an OSError, so that the stage is still retried.
        FrostlineError: in place of any other exception.
    """
    try:
        yield
    except Exception as error:
        if masked(str(error)) == str(error):
            raise
        kind = OSError if isinstance(error, OSError) else FrostlineError
        raise kind(describe_for_record(error)) from error
