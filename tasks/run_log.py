"""What Prefect's server keeps of a flow run's exceptions, the user's own among them, is masked: its log, its states."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from handler.errors import FrostlineError
from handler.specification.secrets import masked
from handler.specification.user_frames import text_of

LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


class Masked(logging.Filter):
    """Takes passwords and other secrets out of a line and of the traceback below it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Masks a line; none is dropped."""
        record.msg, record.args = masked(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
        return True


_masked = Masked()


def mask_logs() -> None:
    """Masks what flow runs and task runs log from now on. Twice is the same as once."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_masked)


@contextmanager
def errors_masked() -> Iterator[None]:
    """Replaces an exception that leaves it and holds a secret: Prefect makes an exception's text a state's message.

    Raises:
        OSError: instead of one, so that a stage which failed by it is tried again.
        FrostlineError: instead of any other.
    """
    try:
        yield
    except Exception as error:
        if masked(str(error)) == str(error):
            raise
        kind = OSError if isinstance(error, OSError) else FrostlineError
        raise kind(text_of(error)) from error
