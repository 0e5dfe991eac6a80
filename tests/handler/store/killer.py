"""A process that has the store imported and forks a child per write, in which a fault happens at a chosen step.

It reads one JSON request per line from stdin, `{"write", "store", "fault", "step"}`, and answers each with one line,
`{"code", "happened", "error"}`: the child's exit code (`-9` if it was killed), whether the write reached the step, and
the exception that it raised. A step is an operation that changes the disk: opening a file for writing, making a
directory, a rename, a removal, an fsync. The faults:

    kill      the child is killed right before the step
    full      from the step on the disk is full: only renames and removals still work
    broken    from the step on nothing can be changed
    limited   no file may grow beyond `step` bytes
    stranger  the child runs as another user

The store has no code for this: an audit hook observes the steps.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import sys

from handler.store.store import Store
from tests.handler.store.writes import WRITES

MAKES = ("os.mkdir", "os.link", "os.truncate")
MOVES = ("os.rename", "os.remove", "os.rmdir")
TO_WRITE = os.O_WRONLY | os.O_RDWR
NOBODY = 65534


def main() -> None:
    import zarr  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            steps, error = happen(request["fault"], request["step"]), ""
            try:
                WRITES[request["write"]].act(Store(request["store"]))
            except Exception as raised:
                error = f"{type(raised).__name__}: {raised}"
            os.write(write, json.dumps({"happened": bool(steps), "error": error}).encode())
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(pid, 0)
        with os.fdopen(read) as said:
            answer = {"happened": True, "error": ""} | json.loads(said.read() or "{}")
            print(json.dumps(answer | {"code": os.waitstatus_to_exitcode(status)}), flush=True)


def happen(fault: str, at: int) -> list[int]:
    """Arrange a fault in this process, and return a list that is non-empty once the fault has happened."""
    steps: list[int] = []
    if fault == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, resource.RLIM_INFINITY))
        return steps
    if fault == "stranger":
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        return steps
    done, fsync = 0, os.fsync

    def step(makes: bool) -> None:
        nonlocal done
        done += 1
        if done <= at:
            return
        if fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        steps.append(done)
        if makes or fault == "broken":
            number = errno.ENOSPC if fault == "full" else errno.EIO
            raise OSError(number, os.strerror(number))

    def see(event: str, args: tuple) -> None:
        if event in MAKES or event in MOVES or (event == "open" and isinstance(args[2], int) and args[2] & TO_WRITE):
            step(event not in MOVES)

    def synced(descriptor: int) -> None:
        step(stat.S_ISREG(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    os.fsync = synced
    sys.addaudithook(see)
    return steps


if __name__ == "__main__":
    main()
