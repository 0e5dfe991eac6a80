"""The end of the command's process, after the command has written its answer."""

import atexit
import contextlib
import gc
import io
import os
import sys
import sysconfig
import threading
import time

AT_MOST_SECONDS = 20.0
_WRITABLE_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


# See docs/decisions/0035-end-of-the-process.md.
def end(code: int) -> None:
    """End this process like the interpreter does, but without tearing down its modules.

    Tearing down TensorFlow and Prefect takes a second. As at a normal exit, this function waits for non-daemon threads,
    runs the registered exit functions, and flushes files that user code left open. After `AT_MOST_SECONDS` it names the
    thread or function that has not ended, and ends the process without it.
    """
    threading.Thread(target=_exit_after_timeout, args=(code,), daemon=True).start()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for file in gc.get_objects():
        if issubclass(type(file), _WRITABLE_FILES) and not file.closed:
            with contextlib.suppress(Exception):
                file.flush()  # guard: open-files-flushed
    os._exit(code)


def _exit_after_timeout(code: int) -> None:
    """End the process after `AT_MOST_SECONDS`, while the main thread still waits."""
    time.sleep(AT_MOST_SECONDS)
    with contextlib.suppress(Exception):
        message = f"frostline: {_blocker()} has not ended within {AT_MOST_SECONDS:g} s; the process ends without it\n"
        os.write(2, message.encode(errors="backslashreplace"))
    os._exit(code)


def _blocker() -> str:
    """Return the thread or the registered exit function that delays the end of the process, with its location."""
    this_thread = threading.current_thread()
    others = [t for t in threading.enumerate() if not t.daemon and t not in (this_thread, threading.main_thread())]
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    library = sysconfig.get_path("stdlib")
    while frame is not None and frame.f_code.co_filename.startswith((library, "<frozen")):
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename != __file__:
        return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}, line {frame.f_lineno}), called at the exit,"
    return f"the thread {others[0].name!r}" if others else "a registered exit function"
