"""The log of a flow run, which Prefect's server keeps: what it says of exceptions, user's own among them, is masked."""

from __future__ import annotations

import logging

from handler.specification.secrets import masked

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
