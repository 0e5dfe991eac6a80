"""A flow run whose worker was killed: nobody reads what it says any more, and it goes on all the same."""

from __future__ import annotations

import os

from rich.console import Console


def outlive_the_worker() -> None:
    """Has this process say nothing more where its reader is gone; rich, by which Prefect logs, would end it then."""
    Console.on_broken_pipe = _say_no_more  # type: ignore[assignment]


def _say_no_more(console: Console) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
