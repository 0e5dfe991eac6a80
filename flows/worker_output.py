"""Support for a flow run whose worker was killed: nothing reads its output any more, but it continues to train."""

from __future__ import annotations

import os

from rich.console import Console


def ignore_broken_pipe() -> None:
    """Redirect output to the null device once its reader is gone; rich, which Prefect logs with, would end the process.
    """
    Console.on_broken_pipe = _discard_output  # type: ignore[assignment]


def _discard_output(console: Console) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
