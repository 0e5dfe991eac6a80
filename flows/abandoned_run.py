"""The forced end of a process that was asked to stop and does not end in time. Another thread than the main one calls
it.

The main thread may be blocked in a step that never ends, on a disk that does not respond, or on a server.
"""

import contextlib
import os
import threading

from flows.prefect_sync import set_final_state
from handler.run.training_run import TrainingRun
from handler.state.chain import latest_intact
from handler.stop_flag import stop

NOTIFY_SECONDS = 3.0
ABANDON_SECONDS = 6.0
SECOND_SIGNAL_SECONDS = 1.0


# See docs/decisions/0026-time-limits-after-a-stop-request.md.
def exit_after(seconds: float, code: int) -> None:
    """End the process with exit code `code` after `seconds`, even if writing the record or notifying Prefect blocks."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


def mark_abandoned(
    run: TrainingRun | None, step_is_running: bool, why: str = "the current operation took too long"
) -> str:
    """Mark the run of this process as interrupted in its record, and return a sentence that says what happened.

    Args:
        run: the run; None if there is none yet.
        step_is_running: whether a training step is running.
        why: the reason for not waiting for the step.
    """
    message = f"stopped by {stop.reason}; there was nothing to save"
    if run is not None and run.final_record is not None:  # later work, such as a request to a server, blocks
        return run.final_record.error or "the training is complete"
    if run is None or not run.has_lock:
        return message
    try:
        if step_is_running:
            message = f"stopped by {stop.reason}; {why}, so the run resumes from {_saved_progress(run)}"
        record = run.planning.record()
        if record is not None and record.status == "running":
            run.mark_interrupted(message)
    except Exception as error:  # the process may be blocked on this very disk
        message += f"; the run's record couldn't be written ({type(error).__name__}: {error})"
    return message


def notify_prefect(why: str, *, crashed: bool = False) -> None:
    """Notify Prefect that the flow run has ended, and wait at most `NOTIFY_SECONDS` for its server.

    Args:
        why: the state's message.
        crashed: set the state to crashed; see `set_final_state`.
    """

    def notify() -> None:
        with contextlib.suppress(Exception):  # any error of an unreachable server
            set_final_state(why, crashed=crashed)

    thread = threading.Thread(target=notify, daemon=True)
    thread.start()
    thread.join(NOTIFY_SECONDS)


def _saved_progress(run: TrainingRun) -> str:
    position = latest_intact(run.planning.chain.keys, run.store.states)
    if position is None or (position.epoch, position.step) == (0, 0):
        return "its beginning"
    step = f" and {position.step} steps" if position.step else ""
    return f"the saved state after {position.epoch} epochs{step}"
