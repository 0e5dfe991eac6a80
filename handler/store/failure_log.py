"""A run's `log` file with the complete tracebacks of its failures, for a reader who needs more than the message."""

import contextlib
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

from handler.errors import FrostlineError
from handler.errors.secrets import masked
from handler.store import marker

LOG = "log"
_LOGGED = "frostline_log"


def log_failure(folder: Path, error: BaseException) -> Path | None:
    """Append an exception with its complete traceback to the log in a run's directory, once per exception.

    Secrets in the text are masked.

    Args:
        folder: the directory of the run; created if it is missing.
        error: the exception.

    Returns:
        The log file, or None if it cannot be written.
    """
    logged = getattr(error, _LOGGED, None)
    if isinstance(logged, Path):
        return logged
    file = folder / LOG
    text = masked("".join(traceback.format_exception(error)))
    try:
        marker.claim_store(folder.parents[1])
        folder.mkdir(parents=True, exist_ok=True)
        # O_NOFOLLOW: the name is predictable, so another user could have put a link there.
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{text}\n")
    except (OSError, FrostlineError):
        return None
    with contextlib.suppress(AttributeError):
        setattr(error, _LOGGED, file)
    return file
