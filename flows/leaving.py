"""How a process is ended that was asked to stop and doesn't come to an end by itself. Called from another thread.

The main thread may be inside anything: a step that never ends, a disk that doesn't answer, a server that is waited for.
"""

from __future__ import annotations

import contextlib
import os
import threading

from flows.recorded import tell_ended
from handler.chain import furthest
from handler.interrupt import stop
from handler.run import TrainingRun

TELL_SECONDS = 3.0
AT_MOST_SECONDS = 6.0
HURRY_SECONDS = 1.0


def leave_at_most_in(seconds: float, code: int) -> None:
    """Ends the process in so many seconds, whatever the one who wants to tell about it first runs into."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


def record_abandoned(run: TrainingRun | None, in_a_step: bool, why: str = "what it was in took too long") -> str:
    """Writes into the record of a run that this process is at work on that it was interrupted.

    Args:
        run: the run, if there is one yet.
        in_a_step: whether it is inside a step.
        why: why the step isn't waited for.

    Returns:
        What happened, in a sentence.
    """
    said = f"stopped by {stop.reason}; there was nothing to save"
    if run is not None and run.ended is not None:  # and something takes its time afterwards: a server, say
        return run.ended.error or "the training is complete"
    if run is None or not run.held:
        return said
    try:
        if in_a_step:
            said = f"stopped by {stop.reason}; {why}, so it goes on from {_reached(run)}"
        record = run.planning.record()
        if record is not None and record.status == "running":
            run.interrupted(said)
    except Exception as error:  # the disk may be what it was waiting for
        said += f"; its record couldn't be written ({type(error).__name__}: {error})"
    return said


def tell_prefect(why: str, *, crashed: bool = False) -> None:
    """Tells Prefect that the flow run has ended, if its server takes it in time; see `tell_ended`."""

    def tell() -> None:
        with contextlib.suppress(Exception):  # whatever a server that has gone away makes of it
            tell_ended(why, crashed=crashed)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    teller.join(TELL_SECONDS)


def _reached(run: TrainingRun) -> str:
    position = furthest(run.planning.chain, run.store.states)
    if position is None or (position.epoch, position.step) == (0, 0):
        return "its start"
    step = f" and {position.step} steps" if position.step else ""
    return f"what is saved: {position.epoch} epochs{step}"
