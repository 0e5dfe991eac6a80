"""A process that has imported TensorFlow, and forks one child per command, so that a test's command costs no import.

It reads a JSON request per line from stdin, and answers one JSON line each:

    {"start": {"arguments", "folder", "out", "err", "environment", "faults", "points", "hold"}}  ->  {"pid": ...}
    {"wait": pid}                                                              ->  {"code": ...}   (negative: a signal)

A child has its own session and runs `flows.command.main` to the interpreter's ordinary end. The fork happens before
Prefect is imported and before TensorFlow has run an operation.

`faults` lists the stages of `TrainingRun` that fail, when and how (see `inject`), or the operations on the store that
fail (see `tests/faults/refusals.py`). `points`, if given, traces the training's progress and kills the process at a
point (see `tests/faults/kill_points.py`). `hold`, if given, delays a call (see `hold_at`).
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import warnings
from pathlib import Path

from handler.backend import tensorflow_setup


def main() -> None:
    warnings.simplefilter("ignore")

    tensorflow_setup.quiet()
    import handler.engine.trainer
    import handler.run.components  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            pid = os.fork()
            if pid == 0:
                return run(**request["start"])
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)


def run(arguments, folder, out, err, environment, faults, points, hold):
    os.setsid()
    os.chdir(folder)
    os.environ.update(environment)
    for number, path in ((0, os.devnull), (1, out), (2, err)):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    for fault in faults:
        if "number" in fault:
            from tests.faults.refusals import refuse

            refuse(**fault)
        else:
            inject(**fault)
    if hold is not None:
        hold_at(**hold)
    if points is not None:
        from tests.faults.kill_points import watch

        watch(**points)
    if arguments[0] == "stages":
        from tests.faults.stages import main as command
    elif arguments[0] == "several":
        from tests.faults.several import main as command
    else:
        from flows.command import main as command

    sys.argv[1:] = arguments
    sys.exit(command())


def inject(stage, what, at=1):
    """Make the `at`-th call of a stage fail after its work: with an OSError, or by a SIGKILL."""
    from handler.run.training_run import TrainingRun

    calls = 0
    original = getattr(TrainingRun, stage)

    @functools.wraps(original)
    def failing(*args, **kwargs):
        nonlocal calls
        calls += 1
        print(f"stage {stage} call {calls}", file=sys.stderr, flush=True)
        result = original(*args, **kwargs)
        if calls == at:
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise {"oserror": OSError(5, "the disk is tired"), "valueerror": ValueError("this stays wrong")}[what]
        return result

    setattr(TrainingRun, stage, failing)


def hold_at(point, at=1, seconds=600):
    """Make the `at`-th call of a point (a name in `tests.faults.kill_points.CALLS`) create a file `held` and then sleep."""
    import threading
    import time

    from tests.faults.kill_points import CALLS, wrap

    calls, turn = 0, threading.Lock()

    def holding(original):
        def hold(*args, **kwargs):
            nonlocal calls
            with turn:
                calls += 1
                mine = calls == at
            if mine:
                Path("held").touch()
                time.sleep(seconds)
            return original(*args, **kwargs)

        return hold

    wrap(CALLS[point], holding)


if __name__ == "__main__":
    main()
