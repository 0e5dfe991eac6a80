"""The files of the callbacks that append to files."""

from collections.abc import Sequence
from typing import Any

import keras

from handler.engine.loggers.log_files import LogFiles


def find_log_files(callbacks: Sequence[Any]) -> list[LogFiles]:
    """Return the files of those callbacks that append to files."""
    from handler.engine.loggers.csv_log import CSVLog
    from handler.engine.loggers.event_log import EventLog

    logs: list[LogFiles] = []
    for i, callback in enumerate(callbacks):
        if isinstance(callback, keras.callbacks.CSVLogger):
            logs.append(CSVLog(callback, callbacks[:i]))
        elif isinstance(callback, keras.callbacks.TensorBoard):
            logs.append(EventLog(callback))
    return logs
