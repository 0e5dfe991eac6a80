"""A server process that forks one training per request, so that many trainings share one import of TensorFlow.

    python -m flows.cli.fork_server     reads a JSON request per line, {"arguments": [...], "out": FILE, "err": FILE},
                                        answers {"pid": ...}; ends when its stdin is closed

Each fork happens before TensorFlow has initialised anything, so every training configures TensorFlow like a process of
its own. `docs/decisions/0059-own-fork-server.md` says why it is not the standard library's.
"""

import json
import os
import signal
import sys

from handler.backend import tensorflow_setup


# See docs/decisions/0059-own-fork-server.md.
def main() -> None:
    """Answer requests until stdin is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the trainings
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no one waits for the children here
    tensorflow_setup.quiet()
    import handler.run.components  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            train(**request)
        sys.stdout.write(json.dumps({"pid": pid}) + "\n")
        sys.stdout.flush()


def train(arguments: list[str], out: str, err: str) -> None:
    """Run one command line in the forked process; never returns.

    Args:
        arguments: the arguments after `frostline`.
        out, err: the files for stdout and stderr.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND),  # append: the failure log goes there too
    ):
        descriptor = os.open(path, flags, 0o644)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115
    sys.argv = ["frostline", *arguments]
    from flows.cli.app import main as command

    sys.exit(command())


if __name__ == "__main__":
    main()
