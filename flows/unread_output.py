"""Output that nothing reads any more: of a flow run whose worker was killed, of a command piped into `head`."""

import os
import select

from rich.console import Console


def ignore_broken_pipe() -> None:
    """Discard further output once its reader is gone; rich, which Prefect logs with, would end the process."""
    Console.on_broken_pipe = lambda console: discard_unread_output(console.file.fileno())  # type: ignore[assignment]


def discard_unread_output(*descriptors: int) -> None:
    """Redirect stdout, stderr and other descriptors to the null device if they are pipes without a reader."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    poll = select.poll()
    for descriptor in (1, 2, *descriptors):
        poll.register(descriptor, 0)
    for descriptor, _ in poll.poll(0):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
