"""How the command's process ends when everything is said."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import threading

_WRITTEN_TO = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def end(code: int) -> None:
    """Ends this process as the interpreter's end does, but for taking its modules apart: TensorFlow's and
    Prefect's take a second.

    Threads that aren't daemons are waited for, what is registered for the exit is run, and files that somebody's code
    left open are flushed.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for file in gc.get_objects():
        if issubclass(type(file), _WRITTEN_TO) and not file.closed:
            with contextlib.suppress(Exception):
                file.flush()
    os._exit(code)
