"""A process that has imported what trainings need, and forks one for each, so that many trainings import it once.

    python -m flows.forking        reads a JSON request per line, {"arguments": [...], "out": FILE, "err": FILE},
                                   answers {"pid": ...}; ends when its stdin does

A fork comes before TensorFlow has done anything, so each training sets it up as its own process would.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from handler import environment


def main() -> None:
    """Answers requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for the trainings
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    environment.quiet()
    import handler.live  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            train(**request)
        sys.stdout.write(json.dumps({"pid": pid}) + "\n")
        sys.stdout.flush()


def train(arguments: list[str], out: str, err: str) -> None:
    """Runs one command line in a process that was forked for it; doesn't return."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND),  # a failure is logged there too
    ):
        descriptor = os.open(path, flags, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115
    sys.argv = ["frostline", *arguments]
    from flows.command import main as command

    sys.exit(command())


if __name__ == "__main__":
    main()
